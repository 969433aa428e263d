// What becomes of dot products, between the multiplications of tiles. Included by amx.cpp inside its
// namespace, after finish_rows.h.
//
// While 16 filters of some tiles are multiplied, those of the 16 before are finished, two pixels after
// each multiplication: a few instructions that find their place while tiles are multiplied. All they
// need is in registers: loads are what tiles leave least of. So the usual endings are compiled into
// the loop, and only the others are functions.

enum class Way {
  plain,   // dot products as they are
  called,  // by a function (finish_rows.h), of all filters
  signs,   // limits on the dot product
  one,     // floats, to which one thing is added, and a sign
  two,     // two things, the first of them scaled
};

alignas(64) constexpr float kNothing[16] = {-0.0f, -0.0f, -0.0f, -0.0f, -0.0f, -0.0f, -0.0f, -0.0f,
                                            -0.0f, -0.0f, -0.0f, -0.0f, -0.0f, -0.0f, -0.0f, -0.0f};

constexpr int kSoon = 4;  // pixels; lines that are not read first are asked for so early

// Pixels that wait to be finished, and of which 16 filters.
struct Waiting {
  const Count* dots = nullptr;  // of the first
  int first = 0, count = 0;     // in the panel
  int left = 0;                 // to the end of a row of the image
  int filter = 0;
};

// What is added to the floats of 16 filters, and where those go: bytes, and bytes from one pixel to
// the next.
struct Stream {
  char* at;
  int64_t stride;

  static inline Stream of(const float* map, int64_t stride, const Waiting& w) {
    return {reinterpret_cast<char*>(const_cast<float*>(map + w.first * stride + w.filter)), 4 * stride};
  }
  static inline Stream nothing() { return {reinterpret_cast<char*>(const_cast<float*>(kNothing)), 0}; }
};

// Sums over pairs are kept 16 filters after the other.
inline Stream sums_of(const Finish& f, const Waiting& w) {
  return {reinterpret_cast<char*>(f.sum + int64_t{w.filter} * f.pixels + int64_t{16} * w.first), 64};
}

bool adds_two(const Finish& f) { return f.each || (f.sum && !f.first && f.last && f.one); }

// With 1 kB or more from a pixel to the next, a load waits for a store to the same place of another
// page, a few pixels before; and a single turn has nothing to finish meanwhile.
Way way_of(const Panel& p, const Finish& f) {
  const bool close = f.floats_stride < 256 && p.count > kUnits;
  if (!close || f.channels % 16 || f.signs > 1 || f.before) return Way::called;
  if (f.limits) return Way::signs;
  return adds_two(f) ? Way::two : Way::one;
}

template <Way kWay, bool kInner>
struct Ending {
  static constexpr bool kTwo = kWay == Way::two;

  I limit;
  F scale, shift, slope, threshold, a_scale;
  const char* dots;
  Stream a, b, to, bits;
  int left, more, wide;
  int64_t skip;

  INLINED inline Ending(const Panel& p, const Finish& f, const Waiting& w)
      : dots(reinterpret_cast<const char*>(w.dots)), left(w.left < w.count ? w.left : w.count),
        more(w.count - left), wide(p.wide), skip(64 * p.skip) {
    alignas(64) static thread_local char nowhere[64];
    bits = {nowhere, 0};
    if (f.signs && !(f.sum && !f.last))
      bits = {reinterpret_cast<char*>(f.bits + w.first * f.bits_stride + w.filter / 8), f.bits_stride};
    if (kWay == Way::signs) {
      limit = I{} + f.products - load<I>(f.limits + w.filter) * 2;
      return;
    }
    scale = load<F>(f.scale + w.filter), shift = load<F>(f.shift + w.filter);
    threshold = f.signs ? load<F>(f.thresholds + w.filter) : F{};
    if (kInner) slope = load<F>(f.slope + w.filter);
    const bool carried = f.sum && !f.first, kept = f.sum && !f.last;
    const Stream sums = carried ? sums_of(f, w) : Stream::nothing();
    const Stream one = f.one && !kept ? Stream::of(f.one, f.one_stride, w) : Stream::nothing();
    if (kTwo) {
      a = f.each ? Stream::of(f.each, f.each_stride, w) : sums;
      b = f.each ? sums : one;
      a_scale = F{} + (f.each ? f.each_scale : 1.0f);
    } else {
      a = carried ? sums : one;
    }
    to = kept       ? sums_of(f, w)
         : f.floats ? Stream::of(f.floats, f.floats_stride, w)
                    : Stream{nowhere, 0};
  }

  INLINED inline void pixel() {
    const I counts = load<I>(reinterpret_cast<const Count*>(dots));
    dots += 64;
    uint32_t line;
    if (kWay == Way::signs) {
      line = greater(limit, counts);
    } else {
      F x = dots_of(counts, F{});
      if (kInner) x = bend(x, slope);
      x = x * scale;
      x = x + shift;
      const F first = load<F>(reinterpret_cast<const float*>(a.at));
      a.at += a.stride;
      if (kTwo) {
        x = x + first * a_scale;
        x = x + load<F>(reinterpret_cast<const float*>(b.at));
        b.at += b.stride;
      } else {
        x = x + first;
      }
      if (to.at != a.at) __builtin_prefetch(to.at + kSoon * to.stride, 1);
      save(reinterpret_cast<float*>(to.at), x);
      to.at += to.stride;
      line = less(x, threshold);
    }
    put_line<kLine>(line, kLine, reinterpret_cast<uint8_t*>(bits.at));
    bits.at += bits.stride;
  }

  INLINED inline void some() {
    if (left >= 2) {
      pixel();
      pixel();
      left -= 2;
    } else if (left) {
      pixel();
      left = 0;
    }
    if (left == 0 && more) {
      dots += skip;
      left = wide < more ? wide : more;
      more -= left;
    }
  }

  INLINED inline void rest() {
    while (left) some();
  }
};

struct NotHere {
  INLINED inline NotHere(const Panel&, const Finish&, const Waiting&) {}
  INLINED inline void some() {}
  INLINED inline void rest() {}
};
template <Way kWay, bool kInner>
using EndingOf = std::conditional_t<kWay == Way::plain || kWay == Way::called, NotHere,
                                    Ending<kWay, kInner>>;
