// From counts to what the caller asked for. Included by each instruction set inside a namespace of
// its own, after it has defined
//
//   kLanes                         how many 32-bit values a vector holds
//   I, F                           vectors of int32 and float
//   Count                          what its products count in: int32_t or uint16_t
//   I load_counts(const Count* row, int v)               the counts of filters v .. v + kLanes
//   F load_dots(const Count* row, int v, int products)   and products - 2 count of each
//   uint32_t greater(I a, I b)     bit i is set where a[i] > b[i]
//   uint32_t less(F a, F b)        bit i is set where a[i] < b[i]
//
// Every step is rounded once, in the order of kernels/epilogue.py; the build forbids fused
// multiply-adds, so all instruction sets give the same bits.

inline F bend(F y, F slope) { return y < 0.0f ? y * slope : y; }

#if !defined(BNN_OWN_LIMITS)  // an instruction set may have a better one
// Compares counts with their limits.
template <int kWidth>
struct Limits {
  I limits[kWidth / kLanes];

  explicit Limits(const int32_t* from) {
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

inline const Count* counts_of(const Finish& f, int pixel) {
  return static_cast<const Count*>(f.counts) + int64_t{f.rows[pixel]} * f.row_counts +
         f.first_count;
}

void finish_dots(const Finish& given) {
  const Finish f = given;  // a copy that no store can change: its fields stay in registers
  for (int p = 0; p < f.pixels; ++p) {
    const Count* counts = counts_of(f, p);
    alignas(64) int32_t row[kWidest];
    for (int v = 0; v < f.width; v += kLanes) {
      const I twice = load_counts(counts, v) * 2;
      save(row + v, I{} + f.products - twice);
    }
    __builtin_memcpy(f.dots + p * f.dots_stride, row, sizeof(int32_t) * f.channels);
  }
}

template <int kWidth, bool kWhole>
inline void finish_limits(const Finish& given) {
  const Finish f = given;
  const Limits<kWidth> limits(f.limits);
  uint8_t* to = f.limit_bits;
  for (int p = 0; p < f.pixels; ++p, to += f.bits_stride)
    put_bits(limits.exceeded(counts_of(f, p)) ^ f.flips, kWhole ? kWidth : f.channels, to);
}

template <int kWidth>
void finish_limits(const Finish& f) {
  if (f.channels == kWidth) {
    finish_limits<kWidth, true>(f);
  } else {
    finish_limits<kWidth, false>(f);
  }
}

constexpr int kLine = 16;  // filters that are finished together: 16 floats are a line of the cache
constexpr int kVectors = kLine / kLanes;

// The constants of kLine filters, in registers while several pixels pass.
template <bool kInner, bool kOuter>
struct Steps {
  F scale[kVectors], shift[kVectors], slope[kVectors], before[kVectors], curve[kVectors],
      after[kVectors], threshold[kVectors];

  inline Steps(const Finish& f, int v) {
    UNROLLED
    for (int i = 0; i < kVectors; ++i, v += kLanes) {
      scale[i] = threshold[i] = load<F>(f.scale + v);
      shift[i] = load<F>(f.shift + v);
      if (kInner) slope[i] = load<F>(f.slope + v);
      if (kOuter) before[i] = load<F>(f.before + v), after[i] = load<F>(f.after + v);
      if (kOuter) curve[i] = f.curve ? load<F>(f.curve + v) : F{} + 1.0f;
      if (f.signs) threshold[i] = load<F>(f.thresholds + v);
    }
  }

  // What each pair has for itself.
  inline F one_pair(F y, int i) const {
    if (kInner) y = bend(y, slope[i]);
    y = y * scale[i];
    return y + shift[i];
  }

  // What is done once all pairs are in y.
  inline F outer(F y, int i) const {
    if (!kOuter) return y;
    y = y + before[i];
    y = bend(y, curve[i]);
    return y + after[i];
  }
};

// The rows of a map end where the channels end: the last of them are copied before they are read.
template <int kChannels>
inline const float* whole_line(const float* row, int channels, float* room) {
  if (kChannels == kLine) return row;
  for (int c = 0; c < kLine; ++c) room[c] = c < channels ? row[c] : 0.0f;
  return room;
}

template <int kChannels>
inline void put_line(uint32_t bits, int channels, uint8_t* out) {
  __builtin_memcpy(out, &bits, kChannels == kLine || channels > 8 ? 2 : 1);
}

// The signs after the first one.
__attribute__((noinline)) void more_signs(const Finish& f, int v, int channels, uint8_t* to,
                                          const float* y) {
  for (int s = 1; s < f.signs; ++s) {
    const float* thresholds = f.thresholds + s * f.thresholds_stride + v;
    uint32_t bits = 0;
    for (int i = 0; i < kLine; i += kLanes)
      bits |= less(load<F>(y + i), load<F>(thresholds + i)) << i;
    put_line<0>(bits, channels, to + s * f.sign_stride);
  }
}

// The filters v .. v + kLine (or the `channels` of them that there are) of the pixels p .. end.
template <int kChannels, bool kInner, bool kEach, bool kOne, bool kOuter, bool kSum>
inline void finish_line(const Finish& f, int v, int channels, int p, int end) {
  const Steps<kInner, kOuter> steps(f, v);
  const bool first = f.first, last = f.last;
  const int signs = f.signs, products = f.products;
  const int64_t row_counts = f.row_counts, begin = p;
  const Count* from = static_cast<const Count*>(f.counts) + f.first_count + v;
  const int32_t *row = f.rows + p, *row_end = f.rows + end;
  const float *each = f.each, *one = f.one;
  if (kEach) each += begin * f.each_stride + v;
  if (kOne) one += begin * f.one_stride + v;
  float* sum = kSum ? f.sum + begin * f.width + v : nullptr;
  alignas(64) float room[kLine], more[kLine], rest[kLine], nowhere[kLine];
  uint8_t no_bits[2];  // what is not asked for goes there, again and again: no pixel has to ask
  const int64_t to_stride = f.floats ? f.floats_stride : 0, out_stride = signs ? f.bits_stride : 0;
  float* to = f.floats ? f.floats + begin * to_stride + v : nowhere;
  uint8_t* out = signs ? f.bits + begin * out_stride + v / 8 : no_bits;
  for (; row < row_end; ++row) {
    const Count* counts = from + *row * row_counts;
    const float* each_line = kEach ? whole_line<kChannels>(each, channels, room) : nullptr;
    const float* one_line = kOne ? whole_line<kChannels>(one, channels, more) : nullptr;
    uint32_t bits = 0;
    F y[kVectors];
    UNROLLED
    for (int i = 0; i < kVectors; ++i) {
      y[i] = steps.one_pair(load_dots(counts, i * kLanes, products), i);
      if (kEach) y[i] = y[i] + load<F>(each_line + i * kLanes) * f.each_scale;
      if (kSum && !first) y[i] = load<F>(sum + i * kLanes) + y[i];
      if (kSum && !last) {
        save(sum + i * kLanes, y[i]);
        continue;
      }
      if (kOne) y[i] = y[i] + load<F>(one_line + i * kLanes);
      y[i] = steps.outer(y[i], i);
      bits |= less(y[i], steps.threshold[i]) << i * kLanes;
    }
    if (kEach) each += f.each_stride;
    if (kOne) one += f.one_stride;
    if (kSum) sum += f.width;
    if (kSum && !last) continue;
    float* whole = kChannels == kLine ? to : rest;
    UNROLLED
    for (int i = 0; i < kVectors; ++i) save(whole + i * kLanes, y[i]);
    if (kChannels != kLine) __builtin_memcpy(to, rest, sizeof(float) * channels);
    put_line<kChannels>(bits, channels, out);
    if (signs > 1) {
      UNROLLED
      for (int i = 0; i < kVectors; ++i) save(rest + i * kLanes, y[i]);
      more_signs(f, v, channels, out, rest);
    }
    to += to_stride;
    out += out_stride;
  }
}

template <bool... kSteps>
void finish_floats(const Finish& given) {
  const Finish f = given;
  const int some = 1024 / f.width;  // pixels: the constants of a line serve a page of floats
  for (int p = 0; p < f.pixels; p += some) {
    const int end = p + some < f.pixels ? p + some : f.pixels;
    for (int v = 0; v < f.channels; v += kLine) {
      const int channels = f.channels - v;
      if (channels >= kLine) {
        finish_line<kLine, kSteps...>(f, v, kLine, p, end);
      } else {
        finish_line<0, kSteps...>(f, v, channels, p, end);
      }
    }
  }
}

// Picks the function that does just what is asked: its steps are known when it is compiled.
template <bool... kKnown>
void choose_floats(const Finish& f) {
  if constexpr (sizeof...(kKnown) == 5) {
    finish_floats<kKnown...>(f);
  } else {
    const bool asked[] = {f.slope != nullptr, f.each != nullptr, f.one != nullptr,
                          f.before != nullptr, f.sum != nullptr};
    if (asked[sizeof...(kKnown)]) {
      choose_floats<kKnown..., true>(f);
    } else {
      choose_floats<kKnown..., false>(f);
    }
  }
}

void finish(const Finish& f) {
  if (f.dots) {
    finish_dots(f);
  } else if (!f.limits) {
    choose_floats<>(f);
  } else if (f.width == 64) {
    finish_limits<64>(f);
  } else if (f.width == 32) {
    finish_limits<32>(f);
  } else {
    finish_limits<16>(f);
  }
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
