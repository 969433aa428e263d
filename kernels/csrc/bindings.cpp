// The native core, as Python sees it: kernels of single ops here, programs in bind_program.cpp.
#include <nanobind/stl/unique_ptr.h>

#include <algorithm>
#include <memory>
#include <tuple>
#include <utility>

#include "border.h"

namespace nb = nanobind;
using namespace border;

void bind_runner(nb::module_& m);
void bind_real(nb::module_& m);
void bind_stem(nb::module_& m);
void bind_program(nb::module_& m);
void bind_learn(nb::module_& m);

namespace {

// Reads kernels.ops.BinaryConv by its attributes.
bnn::Shape shape_of(nb::handle op) {
  const bnn::Shape shape{whole(op, "height"),   whole(op, "width"),   whole(op, "channels"),
                         whole(op, "filters"),  whole(op, "kernel"),  whole(op, "stride"),
                         whole(op, "dilation"), whole(op, "padding"), whole(op, "inputs"),
                         whole(op, "bases"),    truth(op, "own")};
  shape.check();
  return shape;
}

std::unique_ptr<bnn::Kernel> make(nb::handle op, const std::string& isa_name,
                                  const std::string& variant, nb::handle weights,
                                  nb::handle constants) {
  const bnn::Shape s = shape_of(op);
  const bnn::After a = after_of(op.attr("after"));
  const bnn::Isa& isa = bnn::isa_named(isa_name);
  const bnn::Product& product = bnn::product_named(isa, variant);
  Borrowed borrowed;
  const bnn::Constants c = constants_of(borrowed, constants, a, s.pairs(), s.filters);
  const uint8_t* w = borrowed.read<uint8_t>(
      weights, "weights", {s.bases, s.filters, s.kernel, s.kernel, s.pixel_bytes()});
  const border::Released released;
  return std::make_unique<bnn::Kernel>(s, a, isa, product, w, c);
}

// Checks what a call was given, once; what comes back may be run as often as one likes.
bnn::Buffers buffers(const bnn::Kernel& kernel, int64_t batch, nb::handle input,
                     nb::handle residual, nb::handle dots, nb::handle floats, nb::handle bits,
                     int threads) {
  const bnn::Shape& s = kernel.shape;
  const bnn::After& a = kernel.after;
  batch_and_threads(batch, threads);
  const int64_t y = s.out(s.height), x = s.out(s.width), sets = kernel.sets();
  Borrowed borrowed;
  bnn::Buffers b{};
  b.input = borrowed.read<uint8_t>(input, "signs",
                                   {s.inputs, batch, s.height, s.width, s.pixel_bytes()});
  if (a.residual != bnn::Residual::none)
    b.residual = borrowed.read<float>(
        residual, "residual",
        {a.residual == bnn::Residual::one ? 1 : s.pairs(), batch, y, x, s.filters});
  if (a.raw()) b.dots = borrowed.write<int32_t>(dots, "dots", {s.pairs(), batch, y, x, s.filters});
  if (a.floats)
    b.floats =
        borrowed.write<float>(floats, "floats", {sets, batch, y, x, s.filters}, "residual");
  if (a.signs)
    b.bits = borrowed.write<uint8_t>(bits, "bits",
                                     {sets, a.signs, batch, y, x, kernel.filter_bytes()});
  const std::tuple<nb::handle, bool, const char*> unused[] = {{residual, b.residual, "residual"},
                                                              {dots, b.dots, "dots"},
                                                              {floats, b.floats, "floats"},
                                                              {bits, b.bits, "bits"}};
  for (const auto& [array, used, name] : unused)
    if (!used && !array.is_none())
      throw std::invalid_argument(std::string("this op has no use for ") + name +
                                  ", and was given some");
  return b;
}

void run(const bnn::Kernel& kernel, int64_t batch, nb::handle input, nb::handle residual,
         nb::handle dots, nb::handle floats, nb::handle bits, int threads) {
  const bnn::Buffers b =
      buffers(kernel, batch, input, residual, dots, floats, bits, threads);
  const border::Released released;
  kernel.check_spare(batch, b.input);
  kernel.run(batch, b, threads);
}

nb::list time_runs(const bnn::Kernel& kernel, int64_t batch, nb::handle input, nb::handle residual,
                   nb::handle dots, nb::handle floats, nb::handle bits, int threads,
                   int64_t rounds) {
  const bnn::Buffers b =
      buffers(kernel, batch, input, residual, dots, floats, bits, threads);
  kernel.check_spare(batch, b.input);
  return timed(rounds, [&] { kernel.run(batch, b, threads); });
}

void pack(const std::string& isa_name, nb::handle values, nb::handle thresholds, nb::handle out,
          int64_t pixels, int64_t channels, int64_t signs) {
  if (pixels < 1 || channels < 1 || channels > 1 << 16 || signs < 1 || pixels > int64_t{1} << 40)
    throw std::invalid_argument("pack wants a pixel and a threshold or more, and 1 to 65,536 channels");
  const bnn::Isa& isa = bnn::isa_named(isa_name);
  const int64_t bytes = (channels + 7) / 8;
  Borrowed borrowed;
  const float* v = borrowed.read<float>(values, "values", {pixels, channels});
  const float* t = borrowed.read<float>(thresholds, "thresholds", {signs, channels});
  uint8_t* o = borrowed.write<uint8_t>(out, "out", {signs, pixels, bytes});
  const border::Released released;
  constexpr int64_t kSome = 256;  // pixels that stay in a cache while each threshold passes over
  for (int64_t p = 0; p < pixels; p += kSome)
    for (int64_t s = 0; s < signs; ++s)
      isa.pack(v + p * channels, std::min(kSome, pixels - p), static_cast<int>(channels),
               t + s * channels, o + (s * pixels + p) * bytes);
}

nb::list table() {
  nb::list rows;
  for (const bnn::Isa* isa : bnn::isas()) {
    nb::list variants;
    for (int i = 0; i < isa->n_products; ++i)
      variants.append(nb::make_tuple(isa->products[i].name, isa->products[i].about));
    rows.append(nb::make_tuple(isa->name, isa->about, isa->runs_here(), variants,
                               isa->limit_about));
  }
  return rows;
}

std::string misfit(nb::handle op, const std::string& isa, const std::string& variant) {
  return bnn::misfit(shape_of(op), bnn::product_named(bnn::isa_named(isa), variant));
}

double limit(const std::string& isa, int64_t rounds) {
  if (rounds < 1 || rounds > int64_t{1} << 32) throw std::invalid_argument("rounds is 1 to 2^32");
  const bnn::Isa& row = bnn::isa_named(isa);
  const border::Released released;
  return row.limit(rounds);
}

// So many additions, each of which waits for the one before: a cycle each. Of a register: there are
// processors that add constants while they rename registers, many in a cycle.
inline void chain(int64_t rounds) {
  uint64_t sum = 0, step = 3;
  for (int64_t i = 0; i < rounds; i += 16)
    for (int j = 0; j < 16; ++j) {
      sum += step;
      asm volatile("" : "+r"(sum), "+r"(step));
    }
}

void spin(int64_t rounds) {
  if (rounds < 1 || rounds > int64_t{1} << 32) throw std::invalid_argument("rounds is 1 to 2^32");
  const border::Released released;
  chain(rounds);
}

int64_t now() {
  return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

// How long instructions take that want nothing but a place to be issued from, over a chain that wants
// one at a time. Where another thread shares this core it takes such places, but does not lengthen
// the chain; and a clock that changes changes both. Takes some 6 microseconds.
double crowd() {
  const border::Released released;
  int64_t width = INT64_MAX, length = INT64_MAX;
  for (int i = 0; i < 3; ++i) {
    const int64_t begun = now();
    for (int j = 0; j < 200; ++j) asm volatile(".rept 64\n\tnop\n\t.endr");
    const int64_t between = now();
    chain(2400);
    const int64_t ended = now();
    width = std::min(width, between - begun), length = std::min(length, ended - between);
  }
  return static_cast<double>(width) / static_cast<double>(std::max<int64_t>(length, 1));
}

}  // namespace

NB_MODULE(_core, m) {
  m.doc() = "The native core. Use it through kernels.binary, kernels.bits and kernels.isas.";
  bind_runner(m);
  nb::class_<bnn::Kernel, bnn::Runner>(m, "Kernel")
      .def("run", &run, nb::arg("batch"), nb::arg("input").none(), nb::arg("residual").none(),
           nb::arg("dots").none(), nb::arg("floats").none(), nb::arg("bits").none(),
           nb::arg("threads"))
      .def("clock", &time_runs, nb::arg("batch"), nb::arg("input").none(), nb::arg("residual").none(),
           nb::arg("dots").none(), nb::arg("floats").none(), nb::arg("bits").none(),
           nb::arg("threads"), nb::arg("rounds"));
  m.def("make", &make, nb::arg("op"), nb::arg("isa"), nb::arg("variant"), nb::arg("weights").none(),
        nb::arg("constants"));
  m.def("pack", &pack, nb::arg("isa"), nb::arg("values").none(), nb::arg("thresholds").none(), nb::arg("out").none(),
        nb::arg("pixels"), nb::arg("channels"), nb::arg("signs"));
  m.def("table", &table);
  m.def("misfit", &misfit, nb::arg("op"), nb::arg("isa"), nb::arg("variant"));
  m.def("spin", &spin, nb::arg("rounds"));
  m.def("crowd", &crowd);
  m.def("clock_nothing", [](int64_t rounds) { return border::timed(rounds, [] {}); },
        nb::arg("rounds"));
  m.def("limit", &limit, nb::arg("isa"), nb::arg("rounds"));
  bind_real(m);
  bind_stem(m);
  bind_program(m);
  bind_learn(m);
  border::Released::watch();
}
