// What comes over the border from Python: arrays, and the attributes of ops. The core trusts its
// pointers, so every array is checked here: type, shape, layout, alignment, and that outputs overlap
// nothing.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <string>
#include <vector>

#include "clock.h"
#include "kernel.h"
#include "released.h"

namespace border {

namespace nb = nanobind;

using Sizes = std::vector<int64_t>;

template <class T> constexpr const char* kName = nullptr;
template <> constexpr const char* kName<uint8_t> = "uint8";
template <> constexpr const char* kName<int16_t> = "int16";
template <> constexpr const char* kName<int32_t> = "int32";
template <> constexpr const char* kName<float> = "float32";

inline std::string text(const Sizes& sizes) {
  std::string out = "(";
  for (size_t i = 0; i < sizes.size(); ++i) out += (i ? ", " : "") + std::to_string(sizes[i]);
  return out + (sizes.size() == 1 ? ",)" : ")");
}

inline std::string as_text(nb::handle thing) { return nb::str(thing).c_str(); }

inline std::string attribute_text(nb::handle of, const char* name) {
  const nb::object attribute = of.attr(name);
  return as_text(attribute);
}

// Remembers what a call reads and writes, to refuse outputs that overlap: but for one that may be
// written `over` what is read.
struct Borrowed {
  struct Range { const char* name; uintptr_t begin, end; bool written; };
  std::vector<Range> ranges;

  template <class T>
  T* take(nb::handle array, const char* name, const Sizes& want, bool written,
          const std::string& over = "") {
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
    for (const Range& other : ranges) {
      if (other.name == over && other.begin == begin && other.end == range.end) continue;
      if ((written || other.written) && begin < other.end && other.begin < range.end)
        throw std::invalid_argument(std::string(name) + " shares memory with " + other.name);
    }
    ranges.push_back(range);
    return const_cast<T*>(static_cast<const T*>(a.data()));
  }

  template <class T>
  const T* read(nb::handle array, const char* name, const Sizes& want) {
    return take<T>(array, name, want, false);
  }
  template <class T>
  T* write(nb::handle array, const char* name, const Sizes& want, const char* over = "") {
    return take<T>(array, name, want, true, over);
  }
};

inline int64_t whole(nb::handle op, const char* name) {
  int64_t value = 0;
  nb::object attribute = op.attr(name);
  if (!nb::try_cast(attribute, value, false))
    throw nb::type_error((std::string(name) + " is a whole number").c_str());
  return value;
}

inline bool truth(nb::handle op, const char* name) {
  bool value = false;
  nb::object attribute = op.attr(name);
  if (!nb::try_cast(attribute, value, false))
    throw nb::type_error((std::string(name) + " is True or False").c_str());
  return value;
}

inline std::string word(nb::handle op, const char* name) {
  const nb::object attribute = op.attr(name);
  return attribute.is_none() ? "" : as_text(attribute);
}

inline bnn::Curve curve(const std::string& name) {
  if (name == "relu") return bnn::Curve::relu;
  if (name == "prelu") return bnn::Curve::prelu;
  if (name == "none" || name.empty()) return bnn::Curve::none;
  throw std::invalid_argument("a curve is none, relu or prelu; got '" + name + "'");
}

inline bnn::Residual residual(const std::string& name) {
  if (name == "one") return bnn::Residual::one;
  if (name == "each") return bnn::Residual::each;
  if (name == "none") return bnn::Residual::none;
  throw std::invalid_argument("a residual is none, one or each; got '" + name + "'");
}

inline bnn::After after_of(nb::handle epilogue) {
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

// kernels.binary.Constants: those that the epilogue uses, and no others.
inline bnn::Constants constants_of(Borrowed& borrowed, nb::handle constants, const bnn::After& a,
                                   int64_t pairs, int64_t filters) {
  const auto want = [&](bool wanted, const char* name, const Sizes& sizes) -> const float* {
    nb::object array = constants.attr(name);
    if (wanted) return borrowed.read<float>(array, name, sizes);
    if (array.is_none()) return nullptr;
    throw std::invalid_argument(std::string(name) + " is not used by this epilogue");
  };
  const int64_t sets = a.sum ? 1 : pairs;
  const Sizes pair{pairs, filters}, set{sets, filters};
  bnn::Constants c{};
  c.scale = want(!a.raw(), "scale", pair);
  c.shift = want(!a.raw(), "shift", pair);
  c.slope = want(a.inner == bnn::Curve::prelu, "slope", pair);
  c.each = want(a.residual == bnn::Residual::each, "each", {pairs});
  c.before = want(a.outer, "before", set);
  c.curve = want(a.outer && a.curve == bnn::Curve::prelu, "curve", set);
  c.after = want(a.outer, "after", set);
  c.thresholds = want(a.signs > 0, "thresholds", {sets, a.signs, filters});
  return c;
}

inline void some_threads(int threads) {
  if (threads < 1 || threads > 256)
    throw std::invalid_argument("threads is 1 to 256; got " + std::to_string(threads));
}

inline void batch_and_threads(int64_t batch, int threads) {
  if (batch < 1 || batch > int64_t{1} << 24)
    throw std::invalid_argument("batch is 1 to 16,777,216; got " + std::to_string(batch));
  some_threads(threads);
}

// The nanoseconds that each of `rounds` runs took, with no Python in them, nor what comes `before`.
template <class Before, class Run>
nb::list timed(int64_t rounds, const Before& before, const Run& run) {
  if (rounds < 1 || rounds > 1 << 20) throw std::invalid_argument("rounds is 1 to 1,048,576");
  std::vector<int64_t> took(rounds);
  {
    const Released released;
    bnn::reading_ns();  // is found now, not within the first run
    for (int64_t& nanoseconds : took) {
      before();
      const bnn::Clock::time_point begun = bnn::Clock::now();
      run();
      nanoseconds = bnn::passed(begun, bnn::Clock::now());
    }
  }
  nb::list out;
  for (int64_t nanoseconds : took) out.append(nanoseconds);
  return out;
}

template <class Run>
nb::list timed(int64_t rounds, const Run& run) {
  return timed(rounds, [] {}, run);
}

}  // namespace border
