// The float steps of an epilogue. Included by each instruction set where Count and load_dots are
// (finish.h), and once more where what comes are float32 sums (real_lanes.h). kWholeRows says
// whether the last line of a row of counts can be read to its end.
//
// Every step is rounded once, in the order of kernels/epilogue.py; the build forbids fused
// multiply-adds, so all instruction sets give the same bits.

// Where the counts of some pixels are: those of the first in row rows[0], and so on.
struct Counted {
  const Count* first;
  int64_t stride;  // from row to row
  const int32_t* rows;

  inline const Count* of(int32_t row) const { return first + row * stride; }
};

inline Counted counted_of(const Finish& f) {
  return {static_cast<const Count*>(f.counts) + f.first_count, f.row_counts, f.rows};
}

// Finishes the pixels p .. end, whose counts begin with the first.
typedef void (*End)(const Finish& f, const Counted& counted, int p, int end);

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

// A line of a map's row. Rows end where the channels end: of fewer, the rest is 0.
struct Line {
  F values[kVectors];

  template <int kChannels>
  static inline Line at(const float* row, int channels) {
    Line line;
    UNROLLED
    for (int i = 0; i < kVectors; ++i) {
      const int n = kChannels == kLine ? kLanes : channels - i * kLanes;
      line.values[i] = n >= kLanes ? load<F>(row + i * kLanes)
                       : n > 0     ? load_first(row + i * kLanes, n)
                                   : F{};
    }
    return line;
  }

  template <int kChannels>
  inline void put(float* row, int channels) const {
    UNROLLED
    for (int i = 0; i < kVectors; ++i) {
      const int n = kChannels == kLine ? kLanes : channels - i * kLanes;
      if (n >= kLanes) save(row + i * kLanes, values[i]);
      if (n > 0 && n < kLanes) save_first(row + i * kLanes, values[i], n);
    }
  }
};

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
inline void finish_line(const Finish& f, const Counted& counted, int v, int channels, int p,
                        int end) {
  const Steps<kInner, kOuter> steps(f, v);
  const bool first = f.first, last = f.last;
  const int signs = f.signs, products = f.products;
  const int64_t begin = p;
  const int32_t *row = counted.rows, *row_end = row + (end - p);
  const float *each = f.each, *one = f.one;
  if (kEach) each += begin * f.each_stride + v;
  if (kOne) one += begin * f.one_stride + v;
  float* sum = kSum ? f.sum + begin * f.width + v : nullptr;
  alignas(64) float rest[kLine], nowhere[kLine];
  uint8_t no_bits[2];  // what is not asked for goes there, again and again: no pixel has to ask
  const int64_t to_stride = f.floats ? f.floats_stride : 0, out_stride = signs ? f.bits_stride : 0;
  float* to = f.floats ? f.floats + begin * to_stride + v : nowhere;
  uint8_t* out = signs ? f.bits + begin * out_stride + v / 8 : no_bits;
  for (; row < row_end; ++row) {
    const Count* counts = counted.of(*row) + v;
    Line dots, each_line, one_line, y;
    if constexpr (kWholeRows) {
      UNROLLED
      for (int i = 0; i < kVectors; ++i) dots.values[i] = load_dots(counts, i * kLanes, products);
    } else {
      dots = Line::at<kChannels>(counts, channels);
    }
    if (kEach) each_line = Line::at<kChannels>(each, channels);
    if (kOne) one_line = Line::at<kChannels>(one, channels);
    uint32_t bits = 0;
    UNROLLED
    for (int i = 0; i < kVectors; ++i) {
      F x = steps.one_pair(dots.values[i], i);
      if (kEach) x = x + each_line.values[i] * f.each_scale;
      if (kSum && !first) x = load<F>(sum + i * kLanes) + x;
      if (kSum && !last) {
        save(sum + i * kLanes, x);
        continue;
      }
      if (kOne) x = x + one_line.values[i];
      y.values[i] = x = steps.outer(x, i);
      bits |= less(x, steps.threshold[i]) << i * kLanes;
    }
    if (kEach) each += f.each_stride;
    if (kOne) one += f.one_stride;
    if (kSum) sum += f.width;
    if (kSum && !last) continue;
    y.put<kChannels>(to, channels);
    put_line<kChannels>(bits, channels, out);
    if (signs > 1) {
      y.put<kLine>(rest, kLine);
      more_signs(f, v, channels, out, rest);
    }
    to += to_stride;
    out += out_stride;
  }
}

template <bool... kSteps>
void finish_floats(const Finish& given, const Counted& counted, int first, int end) {
  const Finish f = given;
  const int some = 1024 / f.width;  // pixels: the constants of a line serve a page of floats
  for (int p = first; p < end; p += some) {
    const Counted these{counted.first, counted.stride, counted.rows + (p - first)};
    const int until = p + some < end ? p + some : end;
    for (int v = 0; v < f.channels; v += kLine) {
      const int channels = f.channels - v;
      if (channels >= kLine) {
        finish_line<kLine, kSteps...>(f, these, v, kLine, p, until);
      } else {
        finish_line<0, kSteps...>(f, these, v, channels, p, until);
      }
    }
  }
}

// Picks the function that does just what is asked: its steps are known when it is compiled.
template <bool... kKnown>
End floats_end(const Finish& f) {
  if constexpr (sizeof...(kKnown) == 5) {
    return finish_floats<kKnown...>;
  } else {
    const bool asked[] = {f.slope != nullptr, f.each != nullptr, f.one != nullptr,
                          f.before != nullptr, f.sum != nullptr};
    return asked[sizeof...(kKnown)] ? floats_end<kKnown..., true>(f)
                                    : floats_end<kKnown..., false>(f);
  }
}
