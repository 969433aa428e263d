#include "program.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>
#include <string>

#include "clock.h"
#include "pool.h"

namespace bnn {

Program::Program(Image i, Output o, int64_t bytes)
    : image(std::move(i)), output(o), bytes_(bytes) {
  if (bytes < 1 || bytes > int64_t{1} << 40)
    throw std::invalid_argument("the memory of a program is 1 byte to 1 TiB; got " +
                                std::to_string(bytes));
  if (image.place != kNowhere || !image.mean.empty())
    check_place("the image", image.place, image.values() * 4, kCacheLine);
  check_place("the output", output.place, output.values * 4, 4);
  const size_t rules = static_cast<size_t>(image.channels);
  if (image.mean.size() != image.std.size() || (!image.mean.empty() && image.mean.size() != rules))
    throw std::invalid_argument("a mean and a std for each channel are wanted");
}

void Program::check_place(const char* name, int64_t place, int64_t bytes, int64_t align) const {
  if (place < 0 || bytes < 1 || bytes > bytes_ || place > bytes_ - bytes || place % align)
    throw std::invalid_argument(std::string(name) + " of " + std::to_string(bytes) +
                                " bytes cannot be at " + std::to_string(place) + " of " +
                                std::to_string(bytes_));
}

void Program::add(const Runner& runner, Place place) {
  const Shapes s = runner.shapes();
  const auto check = [&](const char* name, const Maps& maps, int64_t at) {
    if ((maps.sets > 0) != (at != kNowhere))
      throw std::invalid_argument(std::string(name) + ": a place where the op has one");
    if (maps.sets) check_place(name, at, maps.sets * maps.bytes(), maps.bits ? 1 : 4);
  };
  check("residual", s.residual, place.residual);
  check("floats", s.floats, place.floats);
  check("bits", s.bits, place.bits);
  if (static_cast<int64_t>(place.reads.size()) != s.reads.sets)
    throw std::invalid_argument("a place for each set that is read");
  // Of several sets that lie side by side only the first place is read: none of them is the image.
  const bool apart = !s.together || place.reads.size() == 1;
  const int64_t whole = image.values() * (s.reads.bits ? 1 : 4);
  bool pixels = pixels_, floats = floats_;
  for (size_t i = 0; i < place.reads.size(); ++i) {
    const int64_t at = place.reads[i];
    if (at == kNowhere && apart && s.reads.bytes() == whole) {
      (s.reads.bits ? pixels : floats) = true;
      continue;
    }
    check_place("reads", at, s.reads.bytes(), s.reads.bits ? 1 : 4);
    if (s.together && i && at != place.reads[i - 1] + s.reads.bytes())
      throw std::invalid_argument("the sets that this op reads lie side by side");
  }
  if (pixels && (floats || !image.mean.empty()))
    throw std::invalid_argument("what is read as pixels is not read as float32");
  pixels_ = pixels, floats_ = floats;
  most_reads_ = std::max(most_reads_, place.reads.size());
  nodes_.push_back({&runner, std::move(place)});
}

Program::~Program() {
  for (std::atomic<Memory*>& spare : spare_) delete spare.load();
}

// Memory of an image: what a call before has left, or, where more calls run at once than ever, new.
std::unique_ptr<Program::Memory> Program::borrow() const {
  for (std::atomic<Memory*>& spare : spare_)
    if (Memory* const memory = spare.exchange(nullptr)) return std::unique_ptr<Memory>(memory);
  auto memory = std::make_unique<Memory>();
  memory->held.resize(bytes_ + kCacheLine);
  memory->reads.resize(most_reads_);
  return memory;
}

void Program::give_back(std::unique_ptr<Memory> memory) const {
  for (std::atomic<Memory*>& spare : spare_) {
    Memory* none = nullptr;
    if (spare.compare_exchange_strong(none, memory.get())) {
      memory.release();
      return;
    }
  }
}

const void* Program::stored(const uint8_t* from, Memory& memory) const {
  if (pixels_) return from;
  float* to = reinterpret_cast<float*>(memory.held.data() + image.place);
  const int64_t channels = image.channels, all = image.values();
  constexpr int64_t kPixels = 8;  // their rules in a row, for vectors to go along
  std::array<float, 4 * kPixels> mean, std;
  const int64_t row = std::min<int64_t>(channels * kPixels, mean.size()) / channels * channels;
  for (int64_t i = 0; i < row; ++i)
    mean[i] = image.mean[i % channels], std[i] = image.std[i % channels];
  for (int64_t i = 0; row && i < all; i += row)
    for (int64_t j = 0; j < std::min(row, all - i); ++j)
      to[i + j] = (static_cast<float>(from[i + j]) - mean[j]) / std[j];
  for (int64_t i = 0; !row && i < all; ++i)  // more channels than there is room for
    to[i] = (static_cast<float>(from[i]) - image.mean[i % channels]) / image.std[i % channels];
  return to;
}

void Program::one(const void* given, Memory& memory, float* to, int threads,
                  int64_t* took) const {
  uint8_t* base = memory.held.data();
  if (took) reading_ns();
  Clock::time_point begun = took ? Clock::now() : Clock::time_point{};
  for (const Node& node : nodes_) {
    const Place& p = node.place;
    for (size_t i = 0; i < p.reads.size(); ++i)
      memory.reads[i] = p.reads[i] == kNowhere ? given : base + p.reads[i];
    const auto floats = [&](int64_t at) {
      return at == kNowhere ? nullptr : reinterpret_cast<float*>(base + at);
    };
    node.runner->run(1, Io{memory.reads.data(), floats(p.residual), floats(p.floats),
                           p.bits == kNowhere ? nullptr : base + p.bits}, threads);
    if (took) {
      const Clock::time_point now = Clock::now();
      *took++ += passed(begun, now);
      begun = now;
    }
  }
  std::memcpy(to, base + output.place, output.values * sizeof(float));
}

template <class T>
void Program::run(int64_t batch, const T* images, float* to, int threads, int64_t* took) const {
  const int64_t inside = batch > 1 && !took ? 1 : threads;  // threads for each image
  auto work = [&](int64_t n) {
    std::unique_ptr<Memory> memory = borrow();
    const void* given = stored(images + n * image.values(), *memory);
    one(given, *memory, to + n * output.values, static_cast<int>(inside), took);
    give_back(std::move(memory));
  };
  parallel(batch, inside == 1 && !took ? threads : 1, work);
}

template void Program::run(int64_t, const float*, float*, int, int64_t*) const;
template void Program::run(int64_t, const uint8_t*, float*, int, int64_t*) const;

}  // namespace bnn
