// Ops that compute with real numbers, made from one of kernels/real_ops.py and its parameters.
#include <nanobind/stl/unique_ptr.h>

#include <algorithm>
#include <memory>

#include "border.h"
#include "real_conv.h"
#include "real_ops.h"

namespace nb = nanobind;
using namespace border;

namespace {

using Made = std::unique_ptr<bnn::Runner>;

// A dictionary of arrays; whoever reads it says what he reads.
class Parameters {
 public:
  explicit Parameters(nb::handle given) {
    if (!nb::try_cast(given, held_)) throw nb::type_error("parameters are a dict of arrays");
  }

  // Throws std::invalid_argument where there is one that the op has no use for.
  void only(std::vector<std::string> names) const {
    for (const auto& [key, value] : held_) {
      const std::string name = as_text(key);
      if (std::find(names.begin(), names.end(), name) == names.end())
        throw std::invalid_argument("this op has no use for " + name + ", and was given some");
    }
  }
  bool has(const char* name) const { return held_.contains(name); }
  const float* read(const char* name, const Sizes& sizes) {
    if (!has(name)) throw std::invalid_argument(std::string(name) + " is missing");
    return borrowed_.read<float>(held_[name], name, sizes);
  }

  // Those of an epilogue, and besides them `also`.
  bnn::Constants constants(const bnn::After& after, int64_t pairs, int64_t filters,
                           std::vector<std::string> also = {}) {
    nb::object names = nb::module_::import_("types").attr("SimpleNamespace")();
    for (const char* name :
         {"scale", "shift", "slope", "each", "before", "curve", "after", "thresholds"}) {
      nb::setattr(names, name, has(name) ? nb::object(held_[name]) : nb::none());
      also.push_back(name);
    }
    only(also);
    return constants_of(borrowed_, names, after, pairs, filters);
  }

 private:
  nb::dict held_;
  Borrowed borrowed_;
};

bnn::MapShape map_of(nb::handle op, const char* sets) {
  const bnn::MapShape shape{whole(op, "height"), whole(op, "width"), whole(op, "channels"),
                            whole(op, sets)};
  shape.check();
  return shape;
}

// An epilogue that writes floats or signs, for so many pairs of maps.
bnn::After writing(nb::handle epilogue) {
  const bnn::After after = after_of(epilogue);
  if (after.raw()) throw std::invalid_argument("a float32 op writes floats or signs");
  return after;
}

Made conv(nb::handle op, const bnn::Isa& isa, Parameters& given) {
  const bnn::RealShape s{whole(op, "height"),   whole(op, "width"),   whole(op, "channels"),
                         whole(op, "filters"),  whole(op, "kernel"),  whole(op, "stride"),
                         whole(op, "dilation"), whole(op, "padding"), whole(op, "groups"),
                         whole(op, "inputs")};
  s.check();
  const bnn::After after = writing(op.attr("after"));
  const bnn::Constants c = given.constants(after, s.inputs, s.filters, {"weights"});
  const float* w = given.read("weights", {s.filters, s.kernel, s.kernel, s.taken()});
  const border::Released released;
  return std::make_unique<bnn::RealConv>(s, after, isa, w, c);
}

// A convolution of an image of one pixel, which the bias is added to.
Made linear(nb::handle op, const bnn::Isa& isa, Parameters& given) {
  const int64_t channels = whole(op, "channels"), filters = whole(op, "filters");
  const bnn::RealShape s{1, 1, channels, filters, 1, 1, 1, 0, 1, 1};
  s.check();
  given.only({"weights", "bias"});
  const float* w = given.read("weights", {filters, channels});
  const std::vector<float> one(filters, 1.0f);
  bnn::Constants c{};
  c.scale = one.data();
  c.shift = given.read("bias", {filters});
  bnn::After after{};
  after.floats = true;
  return std::make_unique<bnn::RealConv>(s, after, isa, w, c);
}

Made pool(nb::handle op, const bnn::Isa& isa, Parameters& given) {
  given.only({});
  const bnn::MapShape in = map_of(op, "sets");
  const int64_t k = whole(op, "kernel"), s = whole(op, "stride"), p = whole(op, "padding");
  const std::string kind = word(op, "kind");
  if (kind != "max" && kind != "average")
    throw std::invalid_argument("a pooling is max or average; got '" + kind + "'");
  return std::make_unique<bnn::Windowed>(in, bnn::Stretches::sliding(in.height, k, s, p),
                                         bnn::Stretches::sliding(in.width, k, s, p),
                                         kind == "max", in.channels, 0, isa);
}

Made global_pool(nb::handle op, const bnn::Isa& isa, Parameters& given) {
  given.only({});
  const bnn::MapShape in = map_of(op, "sets");
  return std::make_unique<bnn::Windowed>(in, bnn::Stretches::dividing(in.height, 1),
                                         bnn::Stretches::dividing(in.width, 1), false,
                                         in.channels, 0, isa);
}

Made skip(nb::handle op, const bnn::Isa& isa, Parameters& given) {
  given.only({});
  const bnn::MapShape in = map_of(op, "inputs");
  const int64_t onto = whole(op, "onto");
  if (onto && in.sets != 1) throw std::invalid_argument("one map is added to several");
  return std::make_unique<bnn::Windowed>(
      in, bnn::Stretches::dividing(in.height, whole(op, "out_height")),
      bnn::Stretches::dividing(in.width, whole(op, "out_width")), false, whole(op, "filters"),
      onto, isa);
}

Made resize(nb::handle op, const bnn::Isa& isa, Parameters& given) {
  given.only({});
  return std::make_unique<bnn::Resize>(map_of(op, "sets"), whole(op, "out_height"),
                                       whole(op, "out_width"), isa);
}

bnn::Blend blend(const std::string& name) {
  if (name == "mean") return bnn::Blend::mean;
  if (name == "lambda") return bnn::Blend::lambda;
  if (name == "gate") return bnn::Blend::gate;
  if (name == "route") return bnn::Blend::route;
  throw std::invalid_argument("a blend is mean, lambda, gate or route; got '" + name + "'");
}

Made mix(nb::handle op, const bnn::Isa& isa, Parameters& given) {
  const bnn::MapShape in = map_of(op, "inputs");
  const bnn::Blend kind = blend(word(op, "kind"));
  const int64_t outputs = whole(op, "outputs"), signs = whole(op, "signs");
  bnn::After after{};
  after.floats = truth(op, "floats");
  after.signs = static_cast<int>(signs);
  const bool several = kind == bnn::Blend::gate || kind == bnn::Blend::route;
  bnn::in_limits("inputs", in.sets, 1, 64);
  bnn::in_limits("outputs", outputs, 1, several ? 64 : 1);
  bnn::in_limits("signs", signs, after.floats ? 0 : 1, 64);
  const bool weighed =
      kind == bnn::Blend::lambda || (kind == bnn::Blend::gate && given.has("sums"));
  std::vector<std::string> names;
  if (several) names.push_back("blend");
  if (weighed) names.push_back("sums");
  if (signs) names.push_back("thresholds");
  given.only(names);
  const Sizes gates{std::min(in.sets, outputs)}, routes{outputs, in.sets};
  return std::make_unique<bnn::Mix>(
      kind, in, outputs, after,
      several ? given.read("blend", kind == bnn::Blend::gate ? gates : routes) : nullptr,
      weighed ? given.read("sums", {in.sets}) : nullptr,
      signs ? given.read("thresholds", {outputs, signs, in.channels}) : nullptr, isa);
}

Made affine(nb::handle op, const bnn::Isa& isa, Parameters& given) {
  const bnn::MapShape in = map_of(op, "sets");
  const bnn::After after = writing(op.attr("after"));
  const bnn::Constants c = given.constants(after, in.sets, in.channels);
  return std::make_unique<bnn::Affine>(in, after, c, isa);
}

Made pack(nb::handle op, const bnn::Isa& isa, Parameters& given) {
  const bnn::MapShape in = map_of(op, "sets");
  const int64_t signs = whole(op, "signs");
  bnn::in_limits("signs", signs, 1, 64);
  given.only({"thresholds"});
  return std::make_unique<bnn::Pack>(
      in, signs, given.read("thresholds", {in.sets, signs, in.channels}), isa);
}

struct Maker {
  const char* name;
  Made (*make)(nb::handle op, const bnn::Isa& isa, Parameters& given);
};
constexpr Maker kMakers[] = {
    {"RealConv", conv},          {"Linear", linear}, {"Pool", pool},
    {"GlobalPool", global_pool}, {"Skip", skip},     {"Resize", resize},
    {"Mix", mix},                {"Affine", affine}, {"Pack", pack},
};

Made make_real(nb::handle op, const std::string& isa_name, nb::handle parameters) {
  const bnn::Isa& isa = bnn::isa_named(isa_name);
  Parameters given(parameters);
  const std::string name = attribute_text(op.type(), "__name__");
  for (const Maker& maker : kMakers)
    if (name == maker.name) return maker.make(op, isa, given);
  throw nb::type_error(("an op of kernels.real_ops is wanted; got a " + name).c_str());
}

}  // namespace

void bind_real(nb::module_& m) {
  m.def("make_real", &make_real, nb::arg("op"), nb::arg("isa"), nb::arg("parameters"));
}
