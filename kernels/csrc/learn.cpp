// The passes over maps: each reads and writes whole pixels once.
#include "learn.h"

#include <algorithm>

#include "pool.h"

#if defined(__x86_64__)
#pragma GCC push_options
#pragma GCC target("avx2")
#endif

namespace bnn {
namespace learn {
namespace {

#include "learn_vector.h"

constexpr int64_t kItem = 1 << 15;  // numbers of a map that one item takes

// Adds the sums of r(d) and of its square over n pixels, and narrows d.
void narrow(const int32_t* from, int64_t n, int64_t filters, bool relu, int16_t* to,
            int64_t* sums) {
  for (int64_t f = 0; f < filters; f += 8) {
    I sum{}, squares{};
    for (int64_t p = 0; p < n; ++p) {
      const I d = load<I>(from + p * filters + f);
      save(to + p * filters + f, __builtin_convertvector(d, H));
      const I r = relu ? (d > 0 ? d : I{}) : d;
      sum += r;
      squares += r * r;
    }
    for (int i = 0; i < 8; ++i) {
      sums[f + i] += sum[i];
      sums[filters + f + i] += squares[i];
    }
  }
}

struct Count {
  const Kernel& kernel;
  const Isa& isa;
  int64_t batch, images;
  bool relu;
  const float *x, *zeros;
  uint8_t* bits;
  int16_t* dots;
  int64_t* sums;  // of each item

  void operator()(int64_t item) {
    const Shape& s = kernel.shape;
    const int64_t first = item * images, n = std::min(images, batch - first);
    const int64_t in = s.height * s.width, out = s.pixels();
    static thread_local std::vector<int32_t> wide;
    wide.resize(n * out * s.filters);
    uint8_t* packed = bits + first * in * s.pixel_bytes();
    isa.pack(x + first * in * s.channels, n * in, static_cast<int>(s.channels), zeros, packed);
    Buffers b{};
    b.input = packed;
    b.dots = wide.data();
    kernel.run(n, b, 1);
    int64_t* mine = sums + item * 2 * s.filters;
    // As many pixels as squares of the largest products fit in 31 bits.
    const int64_t largest = s.products() * s.products();
    const int64_t some = std::max<int64_t>(1, (int64_t{1} << 31) / largest - 1);
    for (int64_t p = 0; p < n * out; p += some)
      narrow(wide.data() + p * s.filters, std::min(some, n * out - p), s.filters, relu,
             dots + (first * out + p) * s.filters, mine);
  }
};

struct Put {
  const Products& d;
  const float *factor, *add, *residual;
  float* y;
  int64_t pixels;

  void operator()(int64_t item) {
    const int64_t begin = item * pixels, end = std::min(begin + pixels, d.pixels);
    for (int64_t p = begin * d.filters; p < end * d.filters; p += d.filters)
      for (int64_t f = 0; f < d.filters; f += 8) {
        V v = curved(d.dots + p + f, d.relu) * load<V>(factor + f) + load<V>(add + f);
        if (residual) v += load<V>(residual + p + f);
        save(y + p + f, v);
      }
  }
};

struct Reduce {
  const Products& d;
  const float* grad;
  double* sums;  // of each item
  int64_t pixels;

  void operator()(int64_t item) {
    constexpr int64_t kSome = 256;  // pixels that are summed in float
    double* mine = sums + item * 2 * d.filters;
    const int64_t begin = item * pixels, end = std::min(begin + pixels, d.pixels);
    for (int64_t from = begin; from < end; from += kSome)
      for (int64_t f = 0; f < d.filters; f += 8) {
        V plain{}, by{};
        for (int64_t p = from; p < std::min(from + kSome, end); ++p) {
          const V g = load<V>(grad + p * d.filters + f);
          plain += g;
          by += g * curved(d.dots + p * d.filters + f, d.relu);
        }
        for (int i = 0; i < 8; ++i) {
          mine[f + i] += plain[i];
          mine[d.filters + f + i] += by[i];
        }
      }
  }
};

constexpr int64_t kSlice = 512;  // numbers of every map that stay in the first cache

// y[o] (+)= sum over i of m[o * step + i * other] * x[i].
void weigh(const std::vector<const float*>& x, const float* m, int64_t step, int64_t other,
           const std::vector<float*>& y, int64_t begin, int64_t end) {
  for (size_t o = 0; o < y.size(); ++o)
    for (int64_t k = begin; k < end; k += 8) {
      V v = load<V>(x[0] + k) * fill(m[o * step]);
      for (size_t i = 1; i < x.size(); ++i)
        v += load<V>(x[i] + k) * fill(m[o * step + i * other]);
      save(y[o] + k, v);
    }
}

struct Blend {
  const std::vector<const float*>& x;
  const float* m;
  const std::vector<float*>& y;
  int64_t size;

  void operator()(int64_t item) {
    const int64_t stop = std::min(size, (item + 1) * kItem);
    for (int64_t k = item * kItem; k < stop; k += kSlice)
      weigh(x, m, x.size(), 1, y, k, std::min(k + kSlice, stop));
  }
};

struct BlendBackward {
  const std::vector<const float*>&x, &dy;
  const float* m;
  const std::vector<float*>& dx;
  double* dm;  // of each item
  int64_t size;

  void operator()(int64_t item) {
    const int64_t stop = std::min(size, (item + 1) * kItem);
    double* mine = dm + item * x.size() * dy.size();
    for (int64_t k = item * kItem; k < stop; k += kSlice) {
      const int64_t end = std::min(k + kSlice, stop);
      weigh(dy, m, 1, x.size(), dx, k, end);
      for (size_t o = 0; o < dy.size(); ++o)
        for (size_t i = 0; i < x.size(); ++i) mine[o * x.size() + i] += dot(x[i], dy[o], k, end);
    }
  }
  static double dot(const float* a, const float* b, int64_t begin, int64_t end) {
    V sum[4] = {};
    int64_t k = begin;
    for (; k + 32 <= end; k += 32)
      UNROLLED for (int j = 0; j < 4; ++j)
        sum[j] += load<V>(a + k + 8 * j) * load<V>(b + k + 8 * j);
    for (; k < end; k += 8) sum[0] += load<V>(a + k) * load<V>(b + k);
    const V v = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    double total = 0;
    for (int i = 0; i < 8; ++i) total += v[i];
    return total;
  }
};

// Adds `items` parts of n numbers each, in their order.
template <class T>
void add_parts(const std::vector<T>& parts, int64_t n, T* to) {
  std::fill(to, to + n, T{0});
  for (size_t i = 0; i < parts.size(); ++i) to[i % n] += parts[i];
}

int64_t items_of(int64_t n, int64_t each) { return (n + each - 1) / each; }

}  // namespace

void count(const Kernel& kernel, const Isa& isa, int64_t batch, bool relu, const float* x,
           uint8_t* bits, int16_t* dots, int64_t* sums, int threads) {
  const Shape& s = kernel.shape;
  const int64_t images = std::max<int64_t>(1, kItem / (s.pixels() * s.filters));
  const int64_t items = items_of(batch, images);
  const std::vector<float> zeros(s.channels);
  std::vector<int64_t> parts(items * 2 * s.filters);
  Count work{kernel, isa, batch, images, relu, x, zeros.data(), bits, dots, parts.data()};
  parallel(items, threads, work);
  add_parts(parts, 2 * s.filters, sums);
}

void finish(const Products& d, const float* factor, const float* add, const float* residual,
            float* y, int threads) {
  Put work{d, factor, add, residual, y, std::max<int64_t>(1, kItem / d.filters)};
  parallel(items_of(d.pixels, work.pixels), threads, work);
}

void reduce(const Products& d, const float* grad, double* sums, int threads) {
  const int64_t pixels = std::max<int64_t>(1, kItem / d.filters);
  const int64_t items = items_of(d.pixels, pixels);
  std::vector<double> parts(items * 2 * d.filters);
  Reduce work{d, grad, parts.data(), pixels};
  parallel(items, threads, work);
  add_parts(parts, 2 * d.filters, sums);
}

void blend(const std::vector<const float*>& x, const float* m, const std::vector<float*>& y,
           int64_t size, int threads) {
  Blend work{x, m, y, size};
  parallel(items_of(size, kItem), threads, work);
}

void blend_backward(const std::vector<const float*>& x, const std::vector<const float*>& dy,
                    const float* m, const std::vector<float*>& dx, double* dm, int64_t size,
                    int threads) {
  const int64_t items = items_of(size, kItem);
  std::vector<double> parts(items * x.size() * dy.size());
  BlendBackward work{x, dy, m, dx, parts.data(), size};
  parallel(items, threads, work);
  add_parts(parts, x.size() * dy.size(), dm);
}

}  // namespace learn
}  // namespace bnn

#if defined(__x86_64__)
#pragma GCC pop_options
#endif

bool bnn::learn::runs_here() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2");
#else
  return true;
#endif
}
