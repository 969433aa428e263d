// From counts to what the caller asked for. Included by each instruction set inside a namespace of
// its own, after it has defined
//
//   kLanes                         how many 32-bit values a vector holds
//   I, F                           vectors of int32 and float
//   Count                          what its products count in: int32_t or uint16_t
//   I load_counts(const Count* row, int v)               the counts of filters v .. v + kLanes
//   I load_whole(const Count* row, int v, int products)  and their dot products
//   F load_dots(const Count* row, int v, int products)   as floats
//   uint32_t greater(I a, I b)     bit i is set where a[i] > b[i]
//   uint32_t less(F a, F b)        bit i is set where a[i] < b[i]

#if !defined(BNN_OWN_FIRST)  // an instruction set may have masks
// The first n lanes, less than all, and zeros.
inline F load_first(const float* from, int n) {
  F x = {};
  for (int i = 0; i < n; ++i) x[i] = from[i];
  return x;
}
inline void save_first(float* to, F x, int n) {
  for (int i = 0; i < n; ++i) to[i] = x[i];
}
#endif

#if !defined(BNN_OWN_LIMITS)  // or a better one
// Compares counts with their limits.
template <int kWidth>
struct Limits {
  I limits[kWidth / kLanes];

  Limits(const int32_t* from, int) {
    for (int v = 0; v < kWidth / kLanes; ++v) limits[v] = load<I>(from + v * kLanes);
  }
  inline uint64_t exceeded(const Count* counts) const {
    uint64_t bits = 0;
    for (int v = 0; v < kWidth / kLanes; ++v)
      bits |= uint64_t{greater(load_counts(counts, v * kLanes), limits[v])} << (v * kLanes);
    return bits;
  }
};
#endif

inline void put_bits(uint64_t bits, int channels, uint8_t* out) {
  if (channels == 64 || channels == 32 || channels == 16) {
    __builtin_memcpy(out, &bits, channels / 8);
    return;
  }
  for (int i = 0; i < channels; i += 8) *out++ = static_cast<uint8_t>(bits >> i);
}

constexpr int kLine = 16;  // filters that are finished together: 16 floats are a line of the cache
constexpr int kVectors = kLine / kLanes;

inline F bend(F y, F slope) { return y < 0.0f ? y * slope : y; }

constexpr bool kWholeRows = true;

#include "finish_steps.h"

void finish_dots(const Finish& given, const Counted& counted, int p, int end) {
  const Finish f = given;  // a copy that no store can change: its fields stay in registers
  const int32_t* row = counted.rows;
  for (; p < end; ++p, ++row) {
    const Count* counts = counted.of(*row);
    alignas(64) int32_t out[kWidest];
    for (int v = 0; v < f.width; v += kLanes) save(out + v, load_whole(counts, v, f.products));
    __builtin_memcpy(f.dots + p * f.dots_stride, out, sizeof(int32_t) * f.channels);
  }
}

template <int kWidth, bool kWhole>
inline void finish_limits(const Finish& given, const Counted& counted, int p, int end) {
  const Finish f = given;
  for (int s = 0; s < f.signs; ++s) {
    const Limits<kWidth> limits(f.limits + s * f.limits_stride, f.products);
    uint8_t* to = f.bits + s * f.sign_stride + p * f.bits_stride;
    const int32_t *row = counted.rows, *const row_end = row + (end - p);
    for (; row < row_end; ++row, to += f.bits_stride)
      put_bits(limits.exceeded(counted.of(*row)), kWhole ? kWidth : f.channels, to);
  }
}

template <int kWidth>
End limits_end(const Finish& f) {
  return f.channels == kWidth ? finish_limits<kWidth, true> : finish_limits<kWidth, false>;
}

// What does all that is asked for.
End end_of(const Finish& f) {
  if (f.dots) return finish_dots;
  if (!f.limits) return floats_end<>(f);
  return f.width == 64 ? limits_end<64>(f) : f.width == 32 ? limits_end<32>(f) : limits_end<16>(f);
}

// Begins a line of the cache: its short loops are 3 % slower where they lie across one more.
__attribute__((aligned(64))) void finish(const Finish& f) {
  end_of(f)(f, counted_of(f), 0, f.pixels);
}

void pack(const float* values, int64_t pixels, int channels, const float* thresholds,
          uint8_t* out) {
  const int bytes = (channels + 7) / 8;
  const int whole = channels / kLanes * kLanes;
  for (int64_t p = 0; p < pixels; ++p, values += channels, out += bytes) {
    uint64_t bits = 0;
    int held = 0;
    uint8_t* to = out;
    for (int v = 0; v < whole; v += kLanes) {
      bits |= uint64_t{less(load<F>(values + v), load<F>(thresholds + v))} << held;
      held += kLanes;
      if (held == 64) {
        put_bits(bits, 64, to);
        to += 8, bits = 0, held = 0;
      }
    }
    for (int c = whole; c < channels; ++c, ++held) {
      if (held == 64) {
        put_bits(bits, 64, to);
        to += 8, bits = 0, held = 0;
      }
      bits |= uint64_t{values[c] < thresholds[c]} << held;
    }
    put_bits(bits, held, to);
  }
}
