// The convolution on pixels: made from kernels.real_ops.Stem and its parameters.
#include <nanobind/stl/unique_ptr.h>

#include <memory>

#include "border.h"
#include "stem.h"

namespace nb = nanobind;
using namespace border;

namespace {

std::unique_ptr<bnn::Runner> make(nb::handle op, const std::string& isa_name, nb::handle weights,
                                  nb::handle mean, nb::handle constants) {
  const bnn::StemShape s{whole(op, "height"),  whole(op, "width"),       whole(op, "channels"),
                         whole(op, "filters"), whole(op, "kernel"),      whole(op, "stride"),
                         whole(op, "padding"), whole(op, "pool"),        whole(op, "pool_stride"),
                         whole(op, "pool_padding")};
  s.check();
  const bnn::After after = after_of(op.attr("after"));
  if (after.raw() || after.sum || after.residual != bnn::Residual::none)
    throw std::invalid_argument("a stem writes floats or signs, and adds nothing to them");
  const bnn::Isa& isa = bnn::isa_named(isa_name);
  Borrowed borrowed;
  const int16_t* w =
      borrowed.read<int16_t>(weights, "weights", {s.filters, s.kernel, s.kernel, s.channels});
  const float* m = borrowed.read<float>(mean, "mean", {s.channels});
  const bnn::Constants c = constants_of(borrowed, constants, after, 1, s.filters);
  const border::Released released;
  return std::make_unique<bnn::Stem>(s, after, isa, w, m, c);
}

}  // namespace

void bind_stem(nb::module_& m) {
  m.def("make_stem", &make, nb::arg("op"), nb::arg("isa"), nb::arg("weights").none(),
        nb::arg("mean").none(), nb::arg("constants"));
}
