// From counts to what the caller asked for. Included by each instruction set inside a namespace of
// its own, after it has defined
//
//   kLanes                         how many 32-bit values a vector holds
//   I, F                           vectors of int32 and float
//   uint32_t greater(I a, I b)     bit i is set where a[i] > b[i]
//   uint32_t less(F a, F b)        bit i is set where a[i] < b[i]
//
// Every step is rounded once, in the order of Epilogue in kernels/ops.py; the build forbids fused
// multiply-adds, so all instruction sets give the same bits.

template <class V, class T>
inline V load(const T* from) {
  V v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}

template <class V, class T>
inline void save(T* to, V v) {
  __builtin_memcpy(to, &v, sizeof v);
}

typedef uint16_t Halves __attribute__((vector_size(2 * kLanes)));

inline I load_counts(const int32_t* from) { return load<I>(from); }
inline I load_counts(const uint16_t* from) {
  return __builtin_convertvector(load<Halves>(from), I);
}

inline F bend(F y, F slope) { return y < 0.0f ? y * slope : y; }

inline void put_bits(uint64_t bits, int channels, uint8_t* out) {
  if (channels == 64) {
    __builtin_memcpy(out, &bits, 8);
    return;
  }
  for (int i = 0; i < channels; i += 8) *out++ = static_cast<uint8_t>(bits >> i);
}

template <class Count>
void finish_dots(const Finish& f) {
  for (int p = 0; p < f.pixels; ++p) {
    const Count* counts = static_cast<const Count*>(f.counts) + int64_t{f.rows[p]} * f.width;
    alignas(64) int32_t row[kWidest];
    for (int v = 0; v < f.width; v += kLanes) {
      const I twice = load_counts(counts + v) * 2;
      save(row + v, I{} + f.products - twice);
    }
    __builtin_memcpy(f.dots + p * f.dots_stride, row, sizeof(int32_t) * f.channels);
  }
}

template <class Count>
void finish_limits(const Finish& f) {
  for (int p = 0; p < f.pixels; ++p) {
    const Count* counts = static_cast<const Count*>(f.counts) + int64_t{f.rows[p]} * f.width;
    uint64_t bits = 0;
    for (int v = 0; v < f.width; v += kLanes)
      bits |= uint64_t{greater(load_counts(counts + v), load<I>(f.limits + v))} << v;
    put_bits(bits ^ f.flips, f.channels, f.limit_bits + p * f.bits_stride);
  }
}

// The rows of a residual end where the channels end: the last ones are copied before they are read.
inline const float* whole_row(const float* row, const Finish& f, float* room) {
  if (f.channels == f.width) return row;
  __builtin_memcpy(room, row, sizeof(float) * f.channels);
  return room;
}

// The part that each pair has for itself: one pixel's y, added to `sum` where there is one already.
template <class Count, bool kInner, bool kEach>
void one_pair(const Finish& f, int p, float* sum, bool add) {
  const Count* counts = static_cast<const Count*>(f.counts) + int64_t{f.rows[p]} * f.width;
  alignas(64) float room[kWidest] = {};
  const float* each = kEach ? whole_row(f.each + p * f.each_stride, f, room) : nullptr;
  for (int v = 0; v < f.width; v += kLanes) {
    const I twice = load_counts(counts + v) * 2;
    F y = __builtin_convertvector(I{} + f.products - twice, F);
    if (kInner) y = bend(y, load<F>(f.slope + v));
    y = y * load<F>(f.scale + v);
    y = y + load<F>(f.shift + v);
    if (kEach) y = y + load<F>(each + v) * f.each_scale;
    if (add) y = load<F>(sum + v) + y;
    save(sum + v, y);
  }
}

// What is done once all pairs are in `y`.
template <bool kOne, bool kOuter>
void all_pairs(const Finish& f, int p, float* y) {
  alignas(64) float room[kWidest] = {};
  const float* one = kOne ? whole_row(f.one + p * f.one_stride, f, room) : nullptr;
  if (kOne || kOuter) {
    for (int v = 0; v < f.width; v += kLanes) {
      F z = load<F>(y + v);
      if (kOne) z = z + load<F>(one + v);
      if (kOuter) {
        z = z + load<F>(f.before + v);
        if (f.curve) z = bend(z, load<F>(f.curve + v));
        z = z + load<F>(f.after + v);
      }
      save(y + v, z);
    }
  }
  if (f.floats) __builtin_memcpy(f.floats + p * f.floats_stride, y, sizeof(float) * f.channels);
  for (int s = 0; s < f.signs; ++s) {
    const float* thresholds = f.thresholds + s * f.thresholds_stride;
    uint64_t bits = 0;
    for (int v = 0; v < f.width; v += kLanes)
      bits |= uint64_t{less(load<F>(y + v), load<F>(thresholds + v))} << v;
    put_bits(bits, f.channels, f.bits + p * f.bits_stride + s * f.sign_stride);
  }
}

template <class Count, bool kInner, bool kEach, bool kOne, bool kOuter>
void finish_floats(const Finish& f) {
  for (int p = 0; p < f.pixels; ++p) {
    alignas(64) float row[kWidest];
    float* y = f.sum ? f.sum + int64_t{p} * f.width : row;
    one_pair<Count, kInner, kEach>(f, p, y, f.sum && !f.first);
    if (!f.sum || f.last) all_pairs<kOne, kOuter>(f, p, y);
  }
}

template <class Count, bool... kKnown>
void choose_floats(const Finish& f) {
  if constexpr (sizeof...(kKnown) == 4) {
    finish_floats<Count, kKnown...>(f);
  } else {
    const bool asked[] = {f.slope != nullptr, f.each != nullptr, f.one != nullptr,
                          f.before != nullptr};
    if (asked[sizeof...(kKnown)]) {
      choose_floats<Count, kKnown..., true>(f);
    } else {
      choose_floats<Count, kKnown..., false>(f);
    }
  }
}

template <class Count>
void finish_counts(const Finish& f) {
  if (f.dots) {
    finish_dots<Count>(f);
  } else if (f.limits) {
    finish_limits<Count>(f);
  } else {
    choose_floats<Count>(f);
  }
}

void finish(const Finish& f) {
  if (f.wide) {
    finish_counts<int32_t>(f);
  } else {
    finish_counts<uint16_t>(f);
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
