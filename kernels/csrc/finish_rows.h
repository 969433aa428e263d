// The same steps as finish_steps.h for the few pixels of a tile: all filters of some pixels at
// once, their constants from the first cache each time, but for the ending that networks have most.
// For instruction sets whose vectors are a line. Included after finish.h, with
//
//   F dots_of(I counts, F products)    dot products, as floats

// All kLines * kLine filters are there. kPlain: floats are asked for, and one sign. To know that
// leaves registers for all pointers of a loop; else gcc keeps some in vector registers, and moves
// them on the ports that the vectors' arithmetic wants.
template <int kLines, bool kPlain, bool kInner, bool kEach, bool kOne, bool kOuter, bool kSum>
struct Rows {
  static constexpr int kWidth = kLines * kLine;

  const float *scale, *shift, *slope, *before, *curve, *after, *thresholds;
  const float *each, *one;
  float *sum, *floats;
  uint8_t* bits;
  int64_t each_stride, one_stride, floats_stride, bits_stride, sign_stride, thresholds_stride;
  F products, each_scale;
  bool first, last;
  int signs;

  explicit Rows(const Finish& f)
      : scale(f.scale), shift(f.shift), slope(f.slope), before(f.before), curve(f.curve),
        after(f.after), thresholds(f.thresholds), each(f.each), one(f.one), sum(f.sum),
        floats(f.floats), bits(f.bits), each_stride(f.each_stride), one_stride(f.one_stride),
        floats_stride(f.floats_stride), bits_stride(f.bits_stride), sign_stride(f.sign_stride),
        thresholds_stride(f.thresholds_stride), products(F{} + static_cast<float>(f.products)),
        each_scale(F{} + f.each_scale), first(f.first), last(f.last), signs(f.signs) {}

  inline F value(I counts, int64_t p, int v) const {
    F x = dots_of(counts, products);
    if (kInner) x = bend(x, load<F>(slope + v));
    x = x * load<F>(scale + v);
    x = x + load<F>(shift + v);
    if (kEach) x = x + load<F>(each + p * each_stride + v) * each_scale;
    if (kSum && !first) x = load<F>(sum + p * kWidth + v) + x;
    if (kSum && !last) return x;
    if (kOne) x = x + load<F>(one + p * one_stride + v);
    if (kOuter) {
      x = x + load<F>(before + v);
      x = bend(x, curve ? load<F>(curve + v) : F{} + 1.0f);
      x = x + load<F>(after + v);
    }
    return x;
  }

  // P pixels from p on, whose counts are in these rows.
  template <int P>
  inline void finish(const Count* counts, const int32_t* row, int64_t p) const {
    F y[P][kWidth / kLanes];
    UNROLLED
    for (int i = 0; i < P; ++i)
      UNROLLED
      for (int v = 0; v < kWidth; v += kLanes)
        y[i][v / kLanes] = value(load<I>(counts + row[i] * kWidth + v), p + i, v);
    put(y, p);
  }

  // P pixels from p on, whose counts are in registers.
  template <int P>
  inline void finish(const I (&counts)[P][kWidth / kLanes], int64_t p) const {
    F y[P][kWidth / kLanes];
    UNROLLED
    for (int i = 0; i < P; ++i)
      UNROLLED
      for (int v = 0; v < kWidth; v += kLanes)
        y[i][v / kLanes] = value(counts[i][v / kLanes], p + i, v);
    put(y, p);
  }

  template <int P>
  inline void put(const F (&y)[P][kWidth / kLanes], int64_t p) const {
    if (kSum && !last) {
      put(y, sum + p * kWidth, kWidth);
      return;
    }
    if (kPlain || floats) put(y, floats + p * floats_stride, floats_stride);
    if (kPlain) {
      put_signs(y, thresholds, bits + p * bits_stride);
      return;
    }
    for (int s = 0; s < signs; ++s)
      put_signs(y, thresholds + s * thresholds_stride, bits + s * sign_stride + p * bits_stride);
  }

  template <int P>
  static inline void put(const F (&y)[P][kWidth / kLanes], float* to, int64_t stride) {
    UNROLLED
    for (int i = 0; i < P; ++i, to += stride)
      UNROLLED
      for (int v = 0; v < kWidth; v += kLanes) save(to + v, y[i][v / kLanes]);
  }

  template <int P>
  inline void put_signs(const F (&y)[P][kWidth / kLanes], const float* limits, uint8_t* to) const {
    UNROLLED
    for (int i = 0; i < P; ++i, to += bits_stride)
      UNROLLED
      for (int v = 0; v < kWidth; v += kLine) {
        uint32_t line = 0;
        UNROLLED
        for (int l = v; l < v + kLine; l += kLanes)
          line |= less(y[i][l / kLanes], load<F>(limits + l)) << (l - v);
        put_line<kLine>(line, kLine, to + v / 8);
      }
  }
};

template <int kLines, bool... kSteps>
void finish_rows(const Finish& f, const Counted& counted, int p, int end) {
  constexpr int P = 4 / kLines;
  const Rows<kLines, false, kSteps...> rows(f);
  const Count* counts = counted.first;
  const int32_t* row = counted.rows;
  for (; p + P <= end; p += P, row += P) rows.template finish<P>(counts, row, p);
  for (; P > 1 && p < end; ++p, ++row) rows.template finish<1>(counts, row, p);
}

static_assert(kLanes == kLine);

// The ending that networks have most, floats and one sign of one pair: the constants of all lines
// stay in registers while several pixels pass.
template <bool kInner, bool kOne, int... v>
void finish_usual(const Finish& f, const Counted& counted, int p, int end) {
  constexpr int kLines = sizeof...(v);
  const Steps<kInner, false> steps[kLines] = {{f, v}...};
  const F products = F{} + static_cast<float>(f.products);
  const int64_t begin = p, one_stride = f.one_stride, to_stride = f.floats_stride;
  const int64_t out_stride = f.bits_stride;
  const float* one = kOne ? f.one + begin * one_stride : nullptr;
  float* to = f.floats + begin * to_stride;
  uint8_t* out = f.bits + begin * out_stride;
  const Count* const first = counted.first;
  const int32_t *row = counted.rows, *const row_end = row + (end - p);
  for (; row < row_end; ++row) {
    const Count* counts = first + *row * int64_t{kLines * kLine};
    F y[kLines];
    UNROLLED
    for (int i = 0; i < kLines; ++i) {
      y[i] = steps[i].one_pair(dots_of(load<I>(counts + i * kLine), products), 0);
      if (kOne) y[i] = y[i] + load<F>(one + i * kLine);
    }
    UNROLLED
    for (int i = 0; i < kLines; ++i) save(to + i * kLine, y[i]);
    UNROLLED
    for (int i = 0; i < kLines; ++i)
      put_line<kLine>(less(y[i], steps[i].threshold[0]), kLine, out + i * kLine / 8);
    if (kOne) one += one_stride;
    to += to_stride;
    out += out_stride;
  }
}

template <int... v>
End usual_end(const Finish& f) {
  if (f.slope) return f.one ? finish_usual<true, true, v...> : finish_usual<true, false, v...>;
  return f.one ? finish_usual<false, true, v...> : finish_usual<false, false, v...>;
}

template <int kLines, bool... kKnown>
End rows_end(const Finish& f) {
  if constexpr (sizeof...(kKnown) == 5) {
    return finish_rows<kLines, kKnown...>;
  } else {
    const bool asked[] = {f.slope != nullptr, f.each != nullptr, f.one != nullptr,
                          f.before != nullptr, f.sum != nullptr};
    return asked[sizeof...(kKnown)] ? rows_end<kLines, kKnown..., true>(f)
                                    : rows_end<kLines, kKnown..., false>(f);
  }
}

// What finishes a tile.
End tile_end(const Finish& f) {
  if (f.dots || f.limits || f.channels != f.width) return end_of(f);
  if (f.floats && f.signs == 1 && !f.each && !f.before && !f.sum)
    return f.width == 64   ? usual_end<0, 16, 32, 48>(f)
           : f.width == 32 ? usual_end<0, 16>(f)
                           : usual_end<0>(f);
  return f.width == 64 ? rows_end<4>(f) : f.width == 32 ? rows_end<2>(f) : rows_end<1>(f);
}
