// The kernels without Python, for machines that are emulated: reads cases from stdin, runs them and
// writes what came out to stdout. other_cpus.py is the other end, and has the same layout.
//
// A case: int64 header[kHeader]; isa and variant, 16 bytes each, padded with zeros; then arrays, each
// an int64 count of bytes and the bytes (0 where there is none): weights, scale, shift, slope, each,
// before, curve, after, thresholds, input, residual. For `pack` the header is {kPack, pixels,
// channels, signs, 0 ..}, and the arrays are values and thresholds.
//
// An answer: int64 status; for kDone three arrays (dots, floats, bits), else the text of the error.
//
//   driver         answers cases until stdin ends
//   driver table   prints every isa and variant that was built, a pair to a line
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernel.h"

namespace {

constexpr int kHeader = 21;
constexpr int64_t kPack = 1;  // what a header begins with; 0 is a convolution
constexpr int64_t kDone = 0, kError = 1;
constexpr int kGuard = 64;           // bytes after an output that nothing may touch
constexpr uint8_t kUntouched = 0xa5;

using Bytes = std::vector<uint8_t>;

void read(void* to, size_t bytes) {
  if (std::fread(to, 1, bytes, stdin) != bytes) {
    std::fputs("driver: the case ends too early\n", stderr);
    std::exit(2);
  }
}

Bytes read_array() {
  int64_t bytes;
  read(&bytes, sizeof bytes);
  Bytes array(bytes);
  if (bytes) read(array.data(), bytes);
  return array;
}

std::string read_name() {
  char name[17] = {};
  read(name, 16);
  return name;
}

template <class T>
const T* as(const Bytes& array) {
  return array.empty() ? nullptr : reinterpret_cast<const T*>(array.data());
}

// Room for an answer, with a guard behind it.
struct Out {
  Bytes bytes;
  explicit Out(int64_t size) : bytes(size ? size + kGuard : 0, kUntouched) {}

  template <class T>
  T* as() {
    return bytes.empty() ? nullptr : reinterpret_cast<T*>(bytes.data());
  }
  void check() const {
    for (size_t i = bytes.size() < kGuard ? 0 : bytes.size() - kGuard; i < bytes.size(); ++i)
      if (bytes[i] != kUntouched) throw std::runtime_error("wrote past the end of its output");
  }
  void write() const {
    const int64_t size = bytes.empty() ? 0 : static_cast<int64_t>(bytes.size()) - kGuard;
    std::fwrite(&size, sizeof size, 1, stdout);
    std::fwrite(bytes.data(), 1, size, stdout);
  }
};

void answer(int64_t status, const std::vector<Out>& outs) {
  for (const Out& out : outs) out.check();
  std::fwrite(&status, sizeof status, 1, stdout);
  for (const Out& out : outs) out.write();
}

void pack(const int64_t* h, const bnn::Isa& isa, const Bytes* arrays) {
  const int64_t pixels = h[1], channels = h[2], signs = h[3], bytes = (channels + 7) / 8;
  std::vector<Out> outs{Out(0), Out(0), Out(signs * pixels * bytes)};
  for (int64_t s = 0; s < signs; ++s)
    isa.pack(as<float>(arrays[0]), pixels, static_cast<int>(channels),
             as<float>(arrays[1]) + s * channels, outs[2].as<uint8_t>() + s * pixels * bytes);
  answer(kDone, outs);
}

void convolve(const int64_t* h, const bnn::Isa& isa, const std::string& variant,
              const Bytes* arrays) {
  const bnn::Shape shape{h[1], h[2], h[3], h[4],  h[5],         h[6],
                         h[7], h[8], h[9], h[10], h[11] != 0};
  const bnn::After after{h[12] != 0,
                         static_cast<int>(h[13]),
                         h[14] != 0,
                         static_cast<bnn::Curve>(h[15]),
                         static_cast<bnn::Residual>(h[16]),
                         h[17] != 0,
                         static_cast<bnn::Curve>(h[18])};
  const int64_t batch = h[19], threads = h[20];
  const bnn::Product& product = bnn::product_named(isa, variant);
  bnn::Constants c{};
  c.scale = as<float>(arrays[1]);
  c.shift = as<float>(arrays[2]);
  c.slope = as<float>(arrays[3]);
  c.each = as<float>(arrays[4]);
  c.before = as<float>(arrays[5]);
  c.curve = as<float>(arrays[6]);
  c.after = as<float>(arrays[7]);
  c.thresholds = as<float>(arrays[8]);
  const bnn::Kernel kernel(shape, after, isa, product, as<uint8_t>(arrays[0]), c);
  const int64_t pixels = batch * shape.pixels();
  const int64_t values = pixels * shape.filters;
  std::vector<Out> outs{
      Out(after.raw() ? shape.pairs() * values * 4 : 0),
      Out(after.floats ? kernel.sets() * values * 4 : 0),
      Out(kernel.sets() * after.signs * pixels * kernel.filter_bytes()),
  };
  const bnn::Buffers buffers{as<uint8_t>(arrays[9]), as<float>(arrays[10]), outs[0].as<int32_t>(),
                             outs[1].as<float>(), outs[2].as<uint8_t>()};
  kernel.check_spare(batch, buffers.input);
  kernel.run(batch, buffers, static_cast<int>(threads));
  answer(kDone, outs);
}

void refuse(const char* text) {
  const int64_t header[] = {kError, static_cast<int64_t>(std::strlen(text))};
  std::fwrite(header, sizeof header, 1, stdout);
  std::fwrite(text, 1, header[1], stdout);
}

void answer_one(const int64_t* header) {
  const std::string isa_name = read_name(), variant = read_name();
  Bytes arrays[11];
  for (int i = 0; i < (header[0] == kPack ? 2 : 11); ++i) arrays[i] = read_array();
  try {
    const bnn::Isa& isa = bnn::isa_named(isa_name);
    if (header[0] == kPack) {
      pack(header, isa, arrays);
    } else {
      convolve(header, isa, variant, arrays);
    }
  } catch (const std::exception& error) {
    refuse(error.what());
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::string(argv[1]) == "table") {
    for (const bnn::Isa* isa : bnn::isas())
      for (int i = 0; i < isa->n_products; ++i)
        std::printf("%s %s\n", isa->name, isa->products[i].name);
    return 0;
  }
  int64_t header[kHeader];
  while (std::fread(header, sizeof header, 1, stdin) == 1) answer_one(header);
  return std::fflush(stdout) == 0 ? 0 : 2;
}
