// A whole network, ready to run: nodes that read and write places in one stretch of memory.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "lined.h"
#include "runner.h"

namespace bnn {

constexpr int64_t kNowhere = -1;

// Where in the memory of one image the values are that an op reads and writes, or kNowhere.
struct Place {
  std::vector<int64_t> reads;  // of each set; kNowhere: the image, as float32 or as it was given
  int64_t residual, floats, bits;
};

struct Image {
  int64_t height, width, channels;
  int64_t place;                 // where it is normalised to, or kNowhere
  std::vector<float> mean, std;  // (x - mean) / std, of whole numbers x; or empty

  int64_t values() const { return height * width * channels; }
};

struct Output {
  int64_t place, values;
};

class Program {
 public:
  // Throws std::invalid_argument where a place is not inside `bytes`, or not where floats can be.
  // The runners stay the caller's, and outlive the program. All nodes are added before the first run.
  Program(Image image, Output output, int64_t bytes);
  void add(const Runner& runner, Place place);
  ~Program();

  // Of float32 images, or of whole numbers 0 to 255. Each image runs by itself: of several at once
  // on threads of their own. `took` (or null) has the nanoseconds of every node added to it.
  template <class T>
  void run(int64_t batch, const T* images, float* output, int threads, int64_t* took) const;

  const Image image;
  const Output output;
  bool pixels() const { return pixels_; }  // images are whole numbers, and read as they are
  int64_t nodes() const { return static_cast<int64_t>(nodes_.size()); }

 private:
  struct Node {
    const Runner* runner;
    Place place;
  };
  struct Memory {
    Lined<uint8_t> held;
    std::vector<const void*> reads;
  };

  void check_place(const char* name, int64_t place, int64_t bytes, int64_t align) const;
  std::unique_ptr<Memory> borrow() const;
  void give_back(std::unique_ptr<Memory> memory) const;
  void one(const void* image, Memory& memory, float* to, int threads, int64_t* took) const;
  const void* stored(const float* image, Memory&) const { return image; }
  const void* stored(const uint8_t* image, Memory& memory) const;

  const int64_t bytes_;
  std::vector<Node> nodes_;
  size_t most_reads_ = 0;
  bool pixels_ = false, floats_ = false;  // how nodes read the image
  // Of calls that are over. Without a lock: a forked child might find it held by a thread it lacks.
  mutable std::array<std::atomic<Memory*>, 64> spare_{};
};

}  // namespace bnn
