// The border between Python and the core. The core trusts its pointers, so every array is checked
// here: type, shape, layout, alignment, and that outputs overlap nothing.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "kernel.h"

namespace nb = nanobind;

namespace {

using Sizes = std::vector<int64_t>;

template <class T> constexpr const char* kName = nullptr;
template <> constexpr const char* kName<uint8_t> = "uint8";
template <> constexpr const char* kName<int32_t> = "int32";
template <> constexpr const char* kName<float> = "float32";

std::string text(const Sizes& sizes) {
  std::string out = "(";
  for (size_t i = 0; i < sizes.size(); ++i) out += (i ? ", " : "") + std::to_string(sizes[i]);
  return out + (sizes.size() == 1 ? ",)" : ")");
}

std::string as_text(nb::handle thing) { return nb::str(thing).c_str(); }

std::string attribute_text(nb::handle of, const char* name) {
  const nb::object attribute = of.attr(name);
  return as_text(attribute);
}

// Remembers what a call reads and writes, to refuse outputs that overlap.
struct Borrowed {
  struct Range { const char* name; uintptr_t begin, end; bool written; };
  std::vector<Range> ranges;

  template <class T>
  T* take(nb::handle array, const char* name, const Sizes& want, bool written) {
    const std::string wish = std::string(name) + " is a " + (written ? "writable " : "") +
                             "NumPy array " + kName<T> + text(want) + "; got ";
    if (!nb::ndarray_check(array)) {
      throw nb::type_error((wish + attribute_text(array.type(), "__name__")).c_str());
    }
    nb::ndarray<nb::ro> a;
    if (!nb::try_cast(array, a)) throw nb::type_error((wish + attribute_text(array, "dtype")).c_str());
    if (a.dtype() != nb::dtype<T>() || a.device_type() != nb::device::cpu::value)
      throw nb::type_error((wish + attribute_text(array, "dtype")).c_str());
    Sizes got(a.ndim());
    bool in_order = true;
    int64_t step = 1;
    for (size_t i = a.ndim(); i-- > 0; step *= got[i]) {
      got[i] = static_cast<int64_t>(a.shape(i));
      in_order = in_order && (got[i] == 1 || a.stride(i) == step);
    }
    if (got != want) throw std::invalid_argument(wish + kName<T> + text(got));
    if (!in_order) throw std::invalid_argument(wish + "a strided view of it; copy it first");
    if (reinterpret_cast<uintptr_t>(a.data()) % alignof(T))
      throw std::invalid_argument(wish + "one that is not aligned; copy it first");
    nb::ndarray<> writable;
    if (written && !nb::try_cast(array, writable))
      throw std::invalid_argument(wish + "a read-only one");
    const uintptr_t begin = reinterpret_cast<uintptr_t>(a.data());
    const Range range{name, begin, begin + step * sizeof(T), written};
    for (const Range& other : ranges)
      if ((written || other.written) && begin < other.end && other.begin < range.end)
        throw std::invalid_argument(std::string(name) + " shares memory with " + other.name);
    ranges.push_back(range);
    return const_cast<T*>(static_cast<const T*>(a.data()));
  }

  template <class T>
  const T* read(nb::handle array, const char* name, const Sizes& want) {
    return take<T>(array, name, want, false);
  }
  template <class T>
  T* write(nb::handle array, const char* name, const Sizes& want) {
    return take<T>(array, name, want, true);
  }
};

int64_t whole(nb::handle op, const char* name) {
  int64_t value = 0;
  nb::object attribute = op.attr(name);
  if (!nb::try_cast(attribute, value, false))
    throw nb::type_error((std::string(name) + " is a whole number").c_str());
  return value;
}

bool truth(nb::handle op, const char* name) {
  bool value = false;
  nb::object attribute = op.attr(name);
  if (!nb::try_cast(attribute, value, false))
    throw nb::type_error((std::string(name) + " is True or False").c_str());
  return value;
}

std::string word(nb::handle op, const char* name) {
  const nb::object attribute = op.attr(name);
  return attribute.is_none() ? "" : as_text(attribute);
}

bnn::Curve curve(const std::string& name) {
  if (name == "relu") return bnn::Curve::relu;
  if (name == "prelu") return bnn::Curve::prelu;
  if (name == "none" || name.empty()) return bnn::Curve::none;
  throw std::invalid_argument("a curve is none, relu or prelu; got '" + name + "'");
}

bnn::Residual residual(const std::string& name) {
  if (name == "one") return bnn::Residual::one;
  if (name == "each") return bnn::Residual::each;
  if (name == "none") return bnn::Residual::none;
  throw std::invalid_argument("a residual is none, one or each; got '" + name + "'");
}

// Reads kernels.ops.BinaryConv by its attributes.
bnn::Shape shape_of(nb::handle op) {
  const bnn::Shape shape{whole(op, "height"),   whole(op, "width"),   whole(op, "channels"),
                         whole(op, "filters"),  whole(op, "kernel"),  whole(op, "stride"),
                         whole(op, "dilation"), whole(op, "padding"), whole(op, "inputs"),
                         whole(op, "bases"),    truth(op, "own")};
  shape.check();
  return shape;
}

bnn::After after_of(nb::handle epilogue) {
  const int64_t signs = whole(epilogue, "signs");
  if (signs < 0 || signs > 64) throw std::invalid_argument("signs is 0 to 64");
  return {truth(epilogue, "floats"),
          static_cast<int>(signs),
          truth(epilogue, "sum"),
          curve(word(epilogue, "inner")),
          residual(word(epilogue, "residual")),
          !epilogue.attr("outer").is_none(),
          curve(word(epilogue, "outer"))};
}

std::unique_ptr<bnn::Kernel> make(nb::handle op, const std::string& isa_name,
                                  const std::string& variant, nb::handle weights,
                                  nb::handle constants) {
  const bnn::Shape s = shape_of(op);
  const bnn::After a = after_of(op.attr("after"));
  const bnn::Isa& isa = bnn::isa_named(isa_name);
  const bnn::Product& product = bnn::product_named(isa, variant);
  const int64_t sets = a.sum ? 1 : s.pairs();
  Borrowed borrowed;
  const auto want = [&](bool wanted, const char* name, const Sizes& sizes) -> const float* {
    nb::object array = constants.attr(name);
    if (wanted) return borrowed.read<float>(array, name, sizes);
    if (array.is_none()) return nullptr;
    throw std::invalid_argument(std::string(name) + " is not used by this epilogue");
  };
  const Sizes pair{s.pairs(), s.filters}, set{sets, s.filters};
  bnn::Constants c{};
  c.scale = want(!a.raw(), "scale", pair);
  c.shift = want(!a.raw(), "shift", pair);
  c.slope = want(a.inner == bnn::Curve::prelu, "slope", pair);
  c.each = want(a.residual == bnn::Residual::each, "each", {s.pairs()});
  c.before = want(a.outer, "before", set);
  c.curve = want(a.outer && a.curve == bnn::Curve::prelu, "curve", set);
  c.after = want(a.outer, "after", set);
  c.thresholds = want(a.signs > 0, "thresholds", {sets, a.signs, s.filters});
  const uint8_t* w = borrowed.read<uint8_t>(
      weights, "weights", {s.bases, s.filters, s.kernel, s.kernel, s.pixel_bytes()});
  nb::gil_scoped_release release;
  return std::make_unique<bnn::Kernel>(s, a, isa, product, w, c);
}

// Checks what a call was given, once; what comes back may be run as often as one likes.
bnn::Buffers buffers(const bnn::Kernel& kernel, int64_t batch, nb::handle input,
                     nb::handle residual, nb::handle dots, nb::handle floats, nb::handle bits,
                     int threads) {
  const bnn::Shape& s = kernel.shape;
  const bnn::After& a = kernel.after;
  if (batch < 1 || batch > int64_t{1} << 24)
    throw std::invalid_argument("batch is 1 to 16,777,216; got " + std::to_string(batch));
  if (threads < 1 || threads > 256)
    throw std::invalid_argument("threads is 1 to 256; got " + std::to_string(threads));
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
    b.floats = borrowed.write<float>(floats, "floats", {sets, batch, y, x, s.filters});
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
  nb::gil_scoped_release release;
  kernel.check_spare(batch, b.input);
  kernel.run(batch, b, threads);
}

// The nanoseconds that each of `rounds` calls took, with no Python in them.
nb::list time_runs(const bnn::Kernel& kernel, int64_t batch, nb::handle input, nb::handle residual,
                   nb::handle dots, nb::handle floats, nb::handle bits, int threads,
                   int64_t rounds) {
  if (rounds < 1 || rounds > 1 << 20) throw std::invalid_argument("rounds is 1 to 1,048,576");
  const bnn::Buffers b =
      buffers(kernel, batch, input, residual, dots, floats, bits, threads);
  std::vector<int64_t> took(rounds);
  {
    nb::gil_scoped_release release;
    kernel.check_spare(batch, b.input);
    for (int64_t& nanoseconds : took) {
      const auto begun = std::chrono::steady_clock::now();
      kernel.run(batch, b, threads);
      nanoseconds = (std::chrono::steady_clock::now() - begun) / std::chrono::nanoseconds(1);
    }
  }
  nb::list out;
  for (int64_t nanoseconds : took) out.append(nanoseconds);
  return out;
}

void pack(const std::string& isa_name, nb::handle values, nb::handle thresholds, nb::handle out,
          int64_t pixels, int64_t channels, int64_t signs) {
  if (pixels < 1 || channels < 1 || channels > 1 << 16 || signs < 1 || pixels > int64_t{1} << 40)
    throw std::invalid_argument("pack wants at least one pixel, channel and threshold");
  const bnn::Isa& isa = bnn::isa_named(isa_name);
  const int64_t bytes = (channels + 7) / 8;
  Borrowed borrowed;
  const float* v = borrowed.read<float>(values, "values", {pixels, channels});
  const float* t = borrowed.read<float>(thresholds, "thresholds", {signs, channels});
  uint8_t* o = borrowed.write<uint8_t>(out, "out", {signs, pixels, bytes});
  nb::gil_scoped_release release;
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
  nb::gil_scoped_release release;
  return row.limit(rounds);
}

}  // namespace

NB_MODULE(_core, m) {
  m.doc() = "The native core. Use it through kernels.binary, kernels.bits and kernels.isas.";
  nb::class_<bnn::Kernel>(m, "Kernel")
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
  m.def("limit", &limit, nb::arg("isa"), nb::arg("rounds"));
}
