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
  if (channels == 64) {
    __builtin_memcpy(out, &bits, 8);
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

template <int kWidth>
void finish_limits(const Finish& given) {
  const Finish f = given;
  const Limits<kWidth> limits(f.limits);
  for (int p = 0; p < f.pixels; ++p) {
    const Count* counts = counts_of(f, p);
    put_bits(limits.exceeded(counts) ^ f.flips, f.channels, f.limit_bits + p * f.bits_stride);
  }
}

// The rows of a residual end where the channels end: the last ones are copied before they are read.
inline const float* whole_row(const float* row, const Finish& f, float* room) {
  if (f.channels == f.width) return row;
  for (int c = 0; c < f.width; ++c) room[c] = c < f.channels ? row[c] : 0.0f;
  return room;
}

// The constants of kLanes filters, in registers while several pixels pass.
template <bool kInner, bool kOuter>
struct Steps {
  F scale, shift, slope, before, curve, after, threshold;

  inline Steps(const Finish& f, int v)
      : scale(load<F>(f.scale + v)), shift(load<F>(f.shift + v)), threshold(scale) {
    if (kInner) slope = load<F>(f.slope + v);
    if (kOuter) before = load<F>(f.before + v), after = load<F>(f.after + v);
    if (kOuter) curve = f.curve ? load<F>(f.curve + v) : F{} + 1.0f;
    if (f.signs) threshold = load<F>(f.thresholds + v);
  }

  // What each pair has for itself.
  inline F one_pair(F y) const {
    if (kInner) y = bend(y, slope);
    y = y * scale;
    return y + shift;
  }

  // What is done once all pairs are in y.
  inline F outer(F y) const {
    if (!kOuter) return y;
    y = y + before;
    y = bend(y, curve);
    return y + after;
  }
};

// The first sign is taken while y is in a register, further ones from `row`.
inline void put_signs(const Finish& f, int p, uint64_t bits, const float* row) {
  put_bits(bits, f.channels, f.bits + p * f.bits_stride);
  for (int s = 1; s < f.signs; ++s) {
    const float* thresholds = f.thresholds + s * f.thresholds_stride;
    bits = 0;
    for (int v = 0; v < f.width; v += kLanes)
      bits |= uint64_t{less(load<F>(row + v), load<F>(thresholds + v))} << v;
    put_bits(bits, f.channels, f.bits + p * f.bits_stride + s * f.sign_stride);
  }
}

// Some pixels from p on, side by side: they share the loads of the constants.
template <int kPixels, int kWidth, bool kInner, bool kEach, bool kOne, bool kOuter, bool kSum>
inline void finish_some(const Finish& f, int p) {
  const bool whole = f.channels == kWidth, direct = f.floats && whole;
  alignas(64) float room[kPixels][kWidth], more[kPixels][kWidth], rows[kPixels][kWidth];
  const Count* counts[kPixels];
  const float *each[kPixels], *one[kPixels];
  float *sum[kPixels], *to[kPixels];
  uint64_t bits[kPixels] = {};
  for (int i = 0; i < kPixels; ++i) {
    const int64_t q = p + i;
    counts[i] = counts_of(f, p + i);
    if (kEach) each[i] = whole_row(f.each + q * f.each_stride, f, room[i]);
    if (kOne) one[i] = whole_row(f.one + q * f.one_stride, f, more[i]);
    if (kSum) sum[i] = f.sum + q * kWidth;
    to[i] = direct ? f.floats + q * f.floats_stride : rows[i];
  }
  UNROLLED
  for (int v = 0; v < kWidth; v += kLanes) {
    const Steps<kInner, kOuter> steps(f, v);
    UNROLLED
    for (int i = 0; i < kPixels; ++i) {
      F y = steps.one_pair(load_dots(counts[i], v, f.products));
      if (kEach) y = y + load<F>(each[i] + v) * f.each_scale;
      if (kSum && !f.first) y = load<F>(sum[i] + v) + y;
      if (kSum && !f.last) {
        save(sum[i] + v, y);
      } else {
        if (kOne) y = y + load<F>(one[i] + v);
        y = steps.outer(y);
        save(to[i] + v, y);
        bits[i] |= uint64_t{less(y, steps.threshold)} << v;
      }
    }
  }
  if (kSum && !f.last) return;
  for (int i = 0; i < kPixels; ++i) {
    if (f.floats && !whole)
      __builtin_memcpy(f.floats + (p + i) * f.floats_stride, to[i], sizeof(float) * f.channels);
    if (f.signs) put_signs(f, p + i, bits[i], to[i]);
  }
}

template <int kWidth, bool... kSteps>
void finish_floats(const Finish& given) {
  const Finish f = given;
  int p = 0;
  for (; p + 2 <= f.pixels; p += 2) finish_some<2, kWidth, kSteps...>(f, p);
  if (p < f.pixels) finish_some<1, kWidth, kSteps...>(f, p);
}

// Picks the function that does just what is asked: its steps are known when it is compiled.
template <int kWidth, bool... kKnown>
void choose_floats(const Finish& f) {
  if constexpr (sizeof...(kKnown) == 5) {
    finish_floats<kWidth, kKnown...>(f);
  } else {
    const bool asked[] = {f.slope != nullptr, f.each != nullptr, f.one != nullptr,
                          f.before != nullptr, f.sum != nullptr};
    if (asked[sizeof...(kKnown)]) {
      choose_floats<kWidth, kKnown..., true>(f);
    } else {
      choose_floats<kWidth, kKnown..., false>(f);
    }
  }
}

template <int kWidth>
void finish_width(const Finish& f) {
  if (f.dots) {
    finish_dots(f);
  } else if (f.limits) {
    finish_limits<kWidth>(f);
  } else {
    choose_floats<kWidth>(f);
  }
}

void finish(const Finish& f) {
  if (f.width == 64) finish_width<64>(f);
  if (f.width == 32) finish_width<32>(f);
  if (f.width == 16) finish_width<16>(f);
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
