// The border of learn.h: every array is checked here for its type, layout and size.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "border.h"
#include "learn.h"

namespace nb = nanobind;

namespace {

using namespace bnn::learn;

template <class T>
using Array = nb::ndarray<T, nb::numpy, nb::c_contig, nb::device::cpu>;

template <class T>
T* sized(const Array<T>& array, const char* name, int64_t size) {
  if (static_cast<int64_t>(array.size()) != size)
    throw std::invalid_argument(std::string(name) + " has " + std::to_string(size) +
                                " numbers; got " + std::to_string(array.size()));
  return array.data();
}

void check(const bnn::Shape& s, int64_t batch, int threads) {
  if (!runs_here()) throw std::invalid_argument("this CPU has no AVX2");
  if (s.inputs != 1 || s.bases != 1 || !fits(s))
    throw std::invalid_argument("a convolution that learn_fits is wanted, of one input and base");
  border::batch_and_threads(batch, threads);
}

// Of the attributes that kernels.ops.BinaryConv has; what it says of inputs and bases is ignored.
bool py_fits(nb::handle op) {
  const auto of = [&](const char* name) { return nb::cast<int64_t>(op.attr(name)); };
  const bnn::Shape s{of("height"),   of("width"),   of("channels"), of("filters"), of("kernel"),
                     of("stride"), of("dilation"), of("padding"), 1, 1, false};
  s.check();
  return runs_here() && fits(s);
}

void py_count(const bnn::Kernel& kernel, const std::string& isa, bool relu, Array<const float> x,
              Array<uint8_t> bits, Array<int16_t> dots, Array<int64_t> sums, int threads) {
  const bnn::Shape& s = kernel.shape;
  const int64_t batch = bits.ndim() ? static_cast<int64_t>(bits.shape(0)) : 0;
  check(s, batch, threads);
  if (!kernel.after.raw()) throw std::invalid_argument("a kernel that gives products is wanted");
  const float* from = sized(x, "x", batch * s.height * s.width * s.channels);
  uint8_t* b = sized(bits, "bits", batch * s.height * s.width * s.pixel_bytes());
  int16_t* d = sized(dots, "dots", batch * s.pixels() * s.filters);
  int64_t* to = sized(sums, "sums", 2 * s.filters);
  const bnn::Isa& row = bnn::isa_named(isa);
  const border::Released released;
  count(kernel, row, batch, relu, from, b, d, to, threads);
}

Products products(const Array<const int16_t>& dots, bool relu) {
  if (dots.ndim() != 4 || dots.shape(3) % kFilters || !dots.size())
    throw std::invalid_argument("dots are (batch, height, width, filters), filters by 16");
  const int64_t filters = dots.shape(3);
  return {static_cast<int64_t>(dots.size()) / filters, filters, relu, dots.data()};
}

void py_finish(Array<const int16_t> dots, bool relu, Array<const float> factor,
               Array<const float> add, std::optional<Array<const float>> residual,
               Array<float> out, int threads) {
  const Products d = products(dots, relu);
  const int64_t all = d.pixels * d.filters;
  const float* f = sized(factor, "factor", d.filters);
  const float* a = sized(add, "add", d.filters);
  const float* r = residual ? sized(*residual, "residual", all) : nullptr;
  float* y = sized(out, "out", all);
  border::some_threads(threads);
  const border::Released released;
  finish(d, f, a, r, y, threads);
}

void py_reduce(Array<const int16_t> dots, bool relu, Array<const float> grad, Array<double> sums,
               int threads) {
  const Products d = products(dots, relu);
  const float* g = sized(grad, "grad", d.pixels * d.filters);
  double* to = sized(sums, "sums", 2 * d.filters);
  border::some_threads(threads);
  const border::Released released;
  reduce(d, g, to, threads);
}

Estimator estimator(const std::string& name) {
  if (name == "identity") return Estimator::identity;
  if (name == "clipped") return Estimator::clipped;
  if (name == "polynomial") return Estimator::polynomial;
  throw std::invalid_argument("identity, clipped or polynomial is wanted; got '" + name + "'");
}

// by: [3][filters], factors of the gradient, of 1 and of r(d) in the gradient of d.
void py_backward(const bnn::Kernel& kernel, Array<const int16_t> dots, bool relu,
                 Array<const float> grad, Array<const float> by, Array<const float> scale,
                 Array<const uint8_t> weights, Array<const uint8_t> bits, Array<const float> x,
                 const std::string& how, bool shortcut, bool more, Array<float> dx,
                 Array<float> dw, int threads) {
  const bnn::Shape& s = kernel.shape;
  const Products d = products(dots, relu);
  const int64_t batch = dots.shape(0), in = batch * s.height * s.width;
  check(s, batch, threads);
  const int64_t out = batch * s.pixels() * s.filters;
  sized(dots, "dots", out);
  if (shortcut && out != in * s.channels)
    throw std::invalid_argument("a shortcut wants maps of one size");
  const float* factors = sized(by, "by", 3 * s.filters);
  const Backward b{s,
                   batch,
                   d,
                   sized(grad, "grad", out),
                   factors,
                   factors + s.filters,
                   factors + 2 * s.filters,
                   sized(scale, "scale", s.filters),
                   sized(weights, "weights", s.filters * s.field_bytes()),
                   sized(bits, "bits", in * s.pixel_bytes()),
                   sized(x, "x", in * s.channels),
                   estimator(how),
                   shortcut,
                   more,
                   sized(dx, "dx", in * s.channels),
                   sized(dw, "dw", s.filters * s.products())};
  const border::Released released;
  backward(b, threads);
}

template <class T>
std::vector<T*> every(const std::vector<Array<T>>& arrays, int64_t size) {
  std::vector<T*> out;
  for (const Array<T>& array : arrays) out.push_back(sized(array, "a map", size));
  return out;
}

int64_t size_of(const std::vector<Array<const float>>& x) {
  if (x.empty() || x[0].size() % 8) throw std::invalid_argument("maps of whole vectors are wanted");
  return static_cast<int64_t>(x[0].size());
}

void py_blend(std::vector<Array<const float>> x, Array<const float> m, std::vector<Array<float>> y,
              int threads) {
  const int64_t size = size_of(x);
  const float* factors = sized(m, "m", x.size() * y.size());
  const auto from = every(x, size);
  const auto to = every(y, size);
  border::some_threads(threads);
  const border::Released released;
  blend(from, factors, to, size, threads);
}

void py_blend_backward(std::vector<Array<const float>> x, std::vector<Array<const float>> dy,
                       Array<const float> m, std::vector<Array<float>> dx, Array<double> dm,
                       int threads) {
  const int64_t size = size_of(x);
  const int64_t n = x.size() * dy.size();
  const float* factors = sized(m, "m", n);
  double* sums = sized(dm, "dm", n);
  if (dx.size() != x.size() || dy.empty()) throw std::invalid_argument("a gradient for each map");
  const auto from = every(x, size), grads = every(dy, size);
  const auto to = every(dx, size);
  border::some_threads(threads);
  const border::Released released;
  blend_backward(from, grads, factors, to, sums, size, threads);
}

}  // namespace

void bind_learn(nb::module_& m) {
  const auto is = [](const char* name) { return nb::arg(name).noconvert(); };
  m.def("learn_fits", &py_fits, nb::arg("op"));
  m.def("learn_count", &py_count, nb::arg("kernel"), nb::arg("isa"), nb::arg("relu"), is("x"),
        is("bits"), is("dots"), is("sums"), nb::arg("threads"));
  m.def("learn_finish", &py_finish, is("dots"), nb::arg("relu"), is("factor"), is("add"),
        is("residual").none(), is("out"), nb::arg("threads"));
  m.def("learn_reduce", &py_reduce, is("dots"), nb::arg("relu"), is("grad"), is("sums"),
        nb::arg("threads"));
  m.def("learn_backward", &py_backward, nb::arg("kernel"), is("dots"), nb::arg("relu"), is("grad"),
        is("by"), is("scale"), is("weights"), is("bits"), is("x"), nb::arg("estimator"),
        nb::arg("shortcut"), nb::arg("more"), is("dx"), is("dw"), nb::arg("threads"));
  m.def("learn_blend", &py_blend, is("x"), is("m"), is("y"), nb::arg("threads"));
  m.def("learn_blend_backward", &py_blend_backward, is("x"), is("dy"), is("m"), is("dx"),
        is("dm"), nb::arg("threads"));
}
