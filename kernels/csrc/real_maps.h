// Passes over maps, as real_lanes.h includes them: channels in the lanes. What does not fill a
// vector at the end is done again by one that ends there; less than a vector is done one by one.

// Calls `step.at<V, N>(i)`, for N vectors V from i on, so that every i below n is met.
template <class Step>
inline void each_lane(int64_t n, const Step& step) {
  if (n < kLanes) {
    for (int64_t i = 0; i < n; ++i) step.template at<float, 1>(i);
    return;
  }
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) step.template at<F, 4>(i);
  for (; i + kLanes <= n; i += kLanes) step.template at<F, 1>(i);
  if (i < n) step.template at<F, 1>(n - kLanes);
}

template <class V>
constexpr int kWide = sizeof(V) / sizeof(float);

struct Average {
  float times;
  template <class V>
  static inline V join(V a, V b) { return a + b; }
  template <class V>
  inline V end(V a) const { return a * times; }
};

struct Largest {
  template <class V>
  static inline V join(V a, V b) { return b > a ? b : a; }
  template <class V>
  inline V end(V a) const { return a; }
};

// One window: the channels i .. of its pixels, row by row.
template <class Join>
struct Window {
  const float* from;
  int64_t row, pixel;
  int rows, columns;
  float* out;
  Join join;

  template <class V, int N>
  inline void at(int64_t i) const {
    V held[N];
    UNROLLED
    for (int v = 0; v < N; ++v) held[v] = load<V>(from + i + v * kWide<V>);
    for (int y = 0; y < rows; ++y) {
      const float* x = from + y * row + i + (y == 0 ? pixel : 0);
      for (int n = y == 0; n < columns; ++n, x += pixel)
        UNROLLED
        for (int v = 0; v < N; ++v) held[v] = Join::join(held[v], load<V>(x + v * kWide<V>));
    }
    UNROLLED
    for (int v = 0; v < N; ++v) save(out + i + v * kWide<V>, join.end(held[v]));
  }
};

void average(const Windows& w) {
  for (int p = 0; p < w.pixels; ++p) {
    const int columns = w.right[p] - w.left[p];
    const Average join{1.0f / (static_cast<float>(w.rows) * static_cast<float>(columns))};
    each_lane(w.channels, Window<Average>{w.from + w.left[p] * w.pixel, w.row, w.pixel, w.rows,
                                          columns, w.out + p * w.out_pixel, join});
  }
}

void largest(const Windows& w) {
  for (int p = 0; p < w.pixels; ++p)
    each_lane(w.channels, Window<Largest>{w.from + w.left[p] * w.pixel, w.row, w.pixel, w.rows,
                                          w.right[p] - w.left[p], w.out + p * w.out_pixel, {}});
}

struct Corners {
  const float *upper_left, *upper_right, *lower_left, *lower_right;
  float up, down, left, right;
  float* out;

  template <class V, int N>
  inline void at(int64_t i) const {
    UNROLLED
    for (int v = 0; v < N; ++v, i += kWide<V>) {
      const V first = load<V>(upper_left + i) * up + load<V>(lower_left + i) * down;
      const V second = load<V>(upper_right + i) * up + load<V>(lower_right + i) * down;
      save(out + i, first * left + second * right);
    }
  }
};

void resize(const Between& b) {
  for (int p = 0; p < b.pixels; ++p) {
    const int64_t left = int64_t{b.left[p]} * b.channels, right = int64_t{b.right[p]} * b.channels;
    each_lane(b.channels, Corners{b.upper + left, b.upper + right, b.lower + left, b.lower + right,
                                  b.up, b.down, b.first[p], b.second[p],
                                  b.out + int64_t{p} * b.channels});
  }
}

// By weights, or to a mean: of a power of two by a multiplication, which has the same bits.
enum class How { weights, half, mean };

template <How kHow>
struct Sum {
  Weighing w;

  template <class V>
  inline V term(int n, int64_t i) const {
    const V x = load<V>(w.branches[n] + i);
    return kHow == How::weights ? x * w.weights[n] : x;
  }

  template <class V, int N>
  inline void at(int64_t i) const {
    V sum[N];
    UNROLLED
    for (int v = 0; v < N; ++v) sum[v] = term<V>(0, i + v * kWide<V>);
    for (int n = 1; n < w.n; ++n)
      UNROLLED
      for (int v = 0; v < N; ++v) sum[v] = sum[v] + term<V>(n, i + v * kWide<V>);
    const float count = static_cast<float>(w.n);
    UNROLLED
    for (int v = 0; v < N; ++v, i += kWide<V>) {
      if (kHow == How::mean) sum[v] = sum[v] / count;
      if (kHow == How::half) sum[v] = sum[v] * (1.0f / count);
      save(w.out + i, sum[v]);
    }
  }
};

void weigh(const Weighing& w) {
  if (w.weights) {
    each_lane(w.count, Sum<How::weights>{w});
  } else if ((w.n & (w.n - 1)) == 0) {
    each_lane(w.count, Sum<How::half>{w});
  } else {
    each_lane(w.count, Sum<How::mean>{w});
  }
}

struct Gate {
  const float *branch, *aggregate;
  float own, rest;
  float* out;

  template <class V, int N>
  inline void at(int64_t i) const {
    UNROLLED
    for (int v = 0; v < N; ++v, i += kWide<V>)
      save(out + i, load<V>(branch + i) * own + load<V>(aggregate + i) * rest);
  }
};

void gate(const float* branch, const float* aggregate, float own, float rest, int64_t count,
          float* out) {
  each_lane(count, Gate{branch, aggregate, own, rest, out});
}

struct Add {
  const float *a, *b;
  float* out;

  template <class V, int N>
  inline void at(int64_t i) const {
    UNROLLED
    for (int v = 0; v < N; ++v, i += kWide<V>) save(out + i, load<V>(a + i) + load<V>(b + i));
  }
};

void add(const float* a, const float* b, int64_t count, float* out) {
  each_lane(count, Add{a, b, out});
}
