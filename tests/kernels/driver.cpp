// The kernels without Python, for machines that are emulated: reads cases from stdin, runs them and
// writes what came out to stdout. driver_questions.py is the other end, and has the same layout.
//
// A case: int64 header[kHeader]; isa and variant, 16 bytes each, padded with zeros; then arrays,
// each an int64 count of bytes and the bytes (0 where there is none): weights, scale, shift, slope,
// each, before, curve, after, thresholds, input, residual.
//
//   a convolution  {kConvolve, the Shape, the After, batch, threads}
//   a real op      {kReal, the RealOp, the fields of that op as kernels/real_ops.py has them but
//                  for `after`, 0 .., the After, batch, threads}; a mix has blend for weights and
//                  sums for scale, a linear map has its bias for shift
//   packing        {kPack, pixels, channels, signs, 0 ..}; arrays: values and thresholds
//   a program      {kProgram, nodes, the Image, the Output, bytes, whole, batch, threads, 0 ..};
//                  arrays: mean, std, images (uint8 if `whole`); then a case for each node, whose
//                  input is its places: int64 residual, floats, bits, reads ..
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
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernel.h"
#include "program.h"
#include "real_conv.h"
#include "real_ops.h"

namespace {

constexpr int kHeader = 21;
constexpr int kShape = 2, kAfter = 12, kBatch = 19, kThreads = 20;  // where a header has them
constexpr int64_t kConvolve = 0, kPack = 1, kReal = 2, kProgram = 3;
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

struct Case {
  int64_t header[kHeader];
  std::string isa, variant;
  Bytes arrays[11];
};

// False where stdin ends.
bool read_case(Case& c) {
  if (std::fread(c.header, sizeof c.header, 1, stdin) != 1) return false;
  c.isa = read_name();
  c.variant = read_name();
  const int n = c.header[0] == kPack ? 2 : c.header[0] == kProgram ? 3 : 11;
  for (int i = 0; i < n; ++i) c.arrays[i] = read_array();
  return true;
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

void pack(const Case& c) {
  const bnn::Isa& isa = bnn::isa_named(c.isa);
  const int64_t pixels = c.header[1], channels = c.header[2], signs = c.header[3];
  const int64_t bytes = (channels + 7) / 8;
  std::vector<Out> outs{Out(0), Out(0), Out(signs * pixels * bytes)};
  for (int64_t s = 0; s < signs; ++s)
    isa.pack(as<float>(c.arrays[0]), pixels, static_cast<int>(channels),
             as<float>(c.arrays[1]) + s * channels, outs[2].as<uint8_t>() + s * pixels * bytes);
  answer(kDone, outs);
}

bnn::After after_of(const int64_t* h) {
  const int64_t* a = h + kAfter;
  return {a[0] != 0,
          static_cast<int>(a[1]),
          a[2] != 0,
          static_cast<bnn::Curve>(a[3]),
          static_cast<bnn::Residual>(a[4]),
          a[5] != 0,
          static_cast<bnn::Curve>(a[6])};
}

bnn::Constants constants_of(const Bytes* arrays) {
  bnn::Constants c{};
  c.scale = as<float>(arrays[1]);
  c.shift = as<float>(arrays[2]);
  c.slope = as<float>(arrays[3]);
  c.each = as<float>(arrays[4]);
  c.before = as<float>(arrays[5]);
  c.curve = as<float>(arrays[6]);
  c.after = as<float>(arrays[7]);
  c.thresholds = as<float>(arrays[8]);
  return c;
}

std::unique_ptr<const bnn::Kernel> kernel_of(const Case& c) {
  const int64_t* h = c.header;
  const bnn::Shape shape{h[1], h[2], h[3], h[4],  h[5],         h[6],
                         h[7], h[8], h[9], h[10], h[11] != 0};
  const bnn::Isa& isa = bnn::isa_named(c.isa);
  const bnn::Product& product = bnn::product_named(isa, c.variant);
  return std::make_unique<const bnn::Kernel>(shape, after_of(h), isa, product,
                                             as<uint8_t>(c.arrays[0]), constants_of(c.arrays));
}

void convolve(const Case& c) {
  const std::unique_ptr<const bnn::Kernel> made = kernel_of(c);
  const bnn::Kernel& kernel = *made;
  const bnn::Shape& shape = kernel.shape;
  const bnn::After& after = kernel.after;
  const int64_t batch = c.header[kBatch];
  const int64_t pixels = batch * shape.pixels();
  const int64_t values = pixels * shape.filters;
  std::vector<Out> outs{
      Out(after.raw() ? shape.pairs() * values * 4 : 0),
      Out(after.floats ? kernel.sets() * values * 4 : 0),
      Out(kernel.sets() * after.signs * pixels * kernel.filter_bytes()),
  };
  const bnn::Buffers buffers{as<uint8_t>(c.arrays[9]), as<float>(c.arrays[10]),
                             outs[0].as<int32_t>(), outs[1].as<float>(), outs[2].as<uint8_t>()};
  kernel.check_spare(batch, buffers.input);
  kernel.run(batch, buffers, static_cast<int>(c.header[kThreads]));
  answer(kDone, outs);
}

using Made = std::unique_ptr<const bnn::Runner>;
enum class RealOp { conv, linear, pool, global_pool, skip, resize, mix, affine, pack };

Made conv(const bnn::RealShape& shape, const bnn::After& after, const bnn::Isa& isa,
          const Bytes* arrays) {
  bnn::Constants constants = constants_of(arrays);
  const std::vector<float> one(shape.filters, 1.0f);  // a linear map has no scale
  if (!constants.scale) constants.scale = one.data();
  return Made(new bnn::RealConv(shape, after, isa, as<float>(arrays[0]), constants));
}

Made windows(const bnn::MapShape& in, bnn::Stretches rows, bnn::Stretches columns,
             const bnn::Isa& isa, bool largest = false) {
  return Made(new bnn::Windowed(in, rows, columns, largest, in.channels, 0, isa));
}

Made real_op(const Case& c) {
  using bnn::Stretches;
  const bnn::Isa& isa = bnn::isa_named(c.isa);
  const int64_t* s = c.header + kShape;
  const Bytes* arrays = c.arrays;
  const bnn::After after = after_of(c.header);
  switch (static_cast<RealOp>(c.header[1])) {
    case RealOp::conv:
      return conv({s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9]}, after, isa, arrays);
    case RealOp::linear:
      return conv({1, 1, s[0], s[1], 1, 1, 1, 0, 1, 1}, after, isa, arrays);
    case RealOp::pool:
      return windows({s[1], s[2], s[3], s[7]}, Stretches::sliding(s[1], s[4], s[5], s[6]),
                     Stretches::sliding(s[2], s[4], s[5], s[6]), isa, s[0] == 0);
    case RealOp::global_pool:
      return windows({s[0], s[1], s[2], s[3]}, Stretches::dividing(s[0], 1),
                     Stretches::dividing(s[1], 1), isa);
    case RealOp::skip:
      return Made(new bnn::Windowed({s[0], s[1], s[2], s[6]}, Stretches::dividing(s[0], s[3]),
                                    Stretches::dividing(s[1], s[4]), false, s[5], s[7], isa));
    case RealOp::resize:
      return Made(new bnn::Resize({s[0], s[1], s[2], s[5]}, s[3], s[4], isa));
    case RealOp::mix:
      return Made(new bnn::Mix(static_cast<bnn::Blend>(s[0]), {s[1], s[2], s[3], s[4]}, s[5], after,
                               as<float>(arrays[0]), as<float>(arrays[1]), as<float>(arrays[8]),
                               isa));
    case RealOp::affine:
      return Made(new bnn::Affine({s[0], s[1], s[2], s[3]}, after, constants_of(arrays), isa));
    case RealOp::pack:
      return Made(new bnn::Pack({s[0], s[1], s[2], s[3]}, s[4], as<float>(arrays[8]), isa));
  }
  throw std::invalid_argument("there is no such real op");
}

void want(const char* name, const bnn::Maps& maps, int64_t batch, const Bytes& array) {
  if (static_cast<int64_t>(array.size()) != maps.sets * batch * maps.bytes())
    throw std::invalid_argument(std::string(name) + " is of another size");
}

void compute(const Case& c) {
  const int64_t batch = c.header[kBatch];
  const Bytes* arrays = c.arrays;
  const Made runner = real_op(c);
  const bnn::Shapes s = runner->shapes();
  want("input", s.reads, batch, arrays[9]);
  want("residual", s.residual, batch, arrays[10]);
  std::vector<const void*> reads;
  for (int64_t i = 0; i < s.reads.sets; ++i)
    reads.push_back(arrays[9].data() + i * batch * s.reads.bytes());
  std::vector<Out> outs{Out(0), Out(s.floats.sets * batch * s.floats.bytes()),
                        Out(s.bits.sets * batch * s.bits.bytes())};
  runner->run(batch,
              {reads.data(), as<float>(arrays[10]), outs[1].as<float>(), outs[2].as<uint8_t>()},
              static_cast<int>(c.header[kThreads]));
  answer(kDone, outs);
}

std::vector<float> floats_of(const Bytes& array) {
  return {as<float>(array), as<float>(array) + array.size() / sizeof(float)};
}

void run_program(const Case& c, const std::vector<Case>& nodes) {
  const int64_t* h = c.header;
  bnn::Program program({h[2], h[3], h[4], h[5], floats_of(c.arrays[0]), floats_of(c.arrays[1])},
                       {h[6], h[7]}, h[8]);
  std::vector<Made> runners;
  for (const Case& node : nodes) {
    runners.push_back(node.header[0] == kReal ? real_op(node) : Made(kernel_of(node)));
    const int64_t* at = as<int64_t>(node.arrays[9]);
    const int64_t* end = at + node.arrays[9].size() / sizeof(int64_t);
    program.add(*runners.back(), {{at + 3, end}, at[0], at[1], at[2]});
  }
  const bool whole = h[9] != 0;
  const int64_t batch = h[10];
  const int threads = static_cast<int>(h[11]);
  std::vector<Out> outs{Out(0), Out(batch * program.output.values * 4), Out(0)};
  if (whole) program.run(batch, as<uint8_t>(c.arrays[2]), outs[1].as<float>(), threads, nullptr);
  if (!whole) program.run(batch, as<float>(c.arrays[2]), outs[1].as<float>(), threads, nullptr);
  answer(kDone, outs);
}

void refuse(const char* text) {
  const int64_t header[] = {kError, static_cast<int64_t>(std::strlen(text))};
  std::fwrite(header, sizeof header, 1, stdout);
  std::fwrite(text, 1, header[1], stdout);
}

void answer_one(const Case& c) {
  std::vector<Case> nodes(c.header[0] == kProgram ? c.header[1] : 0);
  for (Case& node : nodes) read_case(node);
  try {
    if (c.header[0] == kConvolve) convolve(c);
    if (c.header[0] == kPack) pack(c);
    if (c.header[0] == kReal) compute(c);
    if (c.header[0] == kProgram) run_program(c, nodes);
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
  for (Case c; read_case(c);) answer_one(c);
  return std::fflush(stdout) == 0 ? 0 : 2;
}
