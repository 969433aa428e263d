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

#define BNN_EIGHT -0.0f, -0.0f, -0.0f, -0.0f, -0.0f, -0.0f, -0.0f, -0.0f
alignas(64) constexpr float kNothing[64] = {BNN_EIGHT, BNN_EIGHT, BNN_EIGHT, BNN_EIGHT,
                                            BNN_EIGHT, BNN_EIGHT, BNN_EIGHT, BNN_EIGHT};
#undef BNN_EIGHT
constexpr int kRoom = kUnits * 16 * 16;  // dot products of 16 filters in a turn, at most

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

// Sums over pairs are kept so that what is finished together lies together.
inline Stream sums_of(const Finish& f, const Waiting& w, int lines) {
  float* const sums = f.sum + int64_t{w.filter} * f.pixels + int64_t{16} * lines * w.first;
  return {reinterpret_cast<char*>(sums), 64 * lines};
}

bool adds_two(const Finish& f) { return f.each || (f.sum && !f.first && f.last && f.one); }

// How many lines of 16 filters are finished together, or 0: by a function. With floats a load waits
// for a store to the same place of another page: lines are so many that 16 others lie between. And
// where there is but one turn, there is nothing to do meanwhile.
int lines_together(const Panel& p, const Finish& f) {
  if (f.channels % 16 || f.signs > 1 || f.before || p.count <= kUnits) return 0;
  if (f.limits) return 1;
  const int lines = f.floats_stride <= 128 ? 2 : 4;
  return lines * 16 > p.width || f.floats_stride > 256 ? 0 : lines;
}

template <Way way, int lines = 1, bool inner = false>
struct How {
  static constexpr Way kWay = way;
  static constexpr int kLines = lines;
  static constexpr bool kInner = inner;
};

// How the pixels that wait are finished, some lines of filters at a time. It is a variable of the loop
// that multiplies, so that its fields are registers.
template <class How>
struct Ending {
  static constexpr int kLines = How::kLines;
  static constexpr bool kTwo = How::kWay == Way::two, kSigns = How::kWay == Way::signs;
  static constexpr bool kInner = How::kInner;

  I limit[kLines];
  F scale[kLines], shift[kLines], slope[kLines], threshold[kLines], a_scale;
  const char* dots;
  Stream a, b, to, bits;
  int left, more, wide;
  int64_t skip;

  INLINED inline Ending(const Panel& p, const Finish& f, const Waiting& w)
      : dots(reinterpret_cast<const char*>(w.dots)), left(w.left < w.count ? w.left : w.count),
        more(w.count - left), wide(p.wide), skip(64 * p.skip) {
    alignas(64) static thread_local char nowhere[64 * kLines];
    bits = {nowhere, 0};
    if (f.signs && !(f.sum && !f.last))
      bits = {reinterpret_cast<char*>(f.bits + w.first * f.bits_stride + w.filter / 8), f.bits_stride};
    UNROLLED
    for (int i = 0, v = w.filter; i < kLines; ++i, v += 16) {
      if (kSigns) {
        limit[i] = I{} + f.products - load<I>(f.limits + v) * 2;
        continue;
      }
      scale[i] = load<F>(f.scale + v), shift[i] = load<F>(f.shift + v);
      threshold[i] = f.signs ? load<F>(f.thresholds + v) : F{};
      if (kInner) slope[i] = load<F>(f.slope + v);
    }
    if (kSigns) return;
    const bool carried = f.sum && !f.first, kept = f.sum && !f.last;
    const Stream sums = carried ? sums_of(f, w, kLines) : Stream::nothing();
    const Stream one = f.one && !kept ? Stream::of(f.one, f.one_stride, w) : Stream::nothing();
    if (kTwo) {
      a = f.each ? Stream::of(f.each, f.each_stride, w) : sums;
      b = f.each ? sums : one;
      a_scale = F{} + (f.each ? f.each_scale : 1.0f);
    } else {
      a = carried ? sums : one;
    }
    to = kept       ? sums_of(f, w, kLines)
         : f.floats ? Stream::of(f.floats, f.floats_stride, w)
                    : Stream{nowhere, 0};
  }

  INLINED inline void pixel() {
    if (!kSigns && to.at != a.at) {
      UNROLLED
      for (int i = 0; i < kLines; ++i) __builtin_prefetch(to.at + kSoon * to.stride + 64 * i, 1);
    }
    UNROLLED
    for (int i = 0; i < kLines; ++i) line(i);
    dots += 64;
    bits.at += bits.stride;
    if (kSigns) return;
    a.at += a.stride;
    to.at += to.stride;
    if (kTwo) b.at += b.stride;
  }

  INLINED inline void line(int i) {
    const I counts = load<I>(reinterpret_cast<const Count*>(dots) + kRoom * i);
    uint32_t signs;
    if (kSigns) {
      signs = greater(limit[i], counts);
    } else {
      F x = dots_of(counts, F{});
      if (kInner) x = bend(x, slope[i]);
      x = x * scale[i];
      x = x + shift[i];
      const F first = load<F>(reinterpret_cast<const float*>(a.at) + 16 * i);
      if (kTwo) {
        x = x + first * a_scale;
        x = x + load<F>(reinterpret_cast<const float*>(b.at) + 16 * i);
      } else {
        x = x + first;
      }
      save(reinterpret_cast<float*>(to.at) + 16 * i, x);
      signs = less(x, threshold[i]);
    }
    put_line<kLine>(signs, kLine, reinterpret_cast<uint8_t*>(bits.at) + 2 * i);
  }

  // A few lines.
  INLINED inline void some() {
    constexpr int kSome = kLines == 1 ? 2 : 1;
    if (left >= kSome) {
      pixel();
      if (kSome == 2) pixel();
      left -= kSome;
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

// Where nothing is finished in the loop.
struct NotHere {
  INLINED inline NotHere(const Panel&, const Finish&, const Waiting&) {}
  INLINED inline void some() {}
  INLINED inline void rest() {}
};
template <class How>
using EndingOf = std::conditional_t<How::kWay == Way::plain || How::kWay == Way::called, NotHere,
                                    Ending<How>>;

// The dot products of some tiles of pixels: where they go, and which wait to be finished. There are
// two rooms for them: what was stored just before cannot be read yet.
template <class How>
class Turns {
  static constexpr Way kWay = How::kWay;

 public:
  Turns(const Panel& p, const Finish& f) : p_(p), f_(f) {
    if (kWay == Way::called) end_ = tile_end(f);
  }

  const Finish& finish() const { return f_; }
  const Waiting& waiting() const { return waiting_; }

  // Tiles first .. end are next.
  void begin(int first, int end, int steps) {
    unit_ = first;
    pixel_ = until_;
    while (until_ < f_.pixels && f_.rows[until_] < 16 * end) ++until_;
    share_ = (waiting_.count + steps - 1) / steps;
  }

  // How many lie in a row, and where those of 16 filters begin.
  inline int64_t row() const {
    return kWay == Way::plain || kWay == Way::called ? p_.width : 16;
  }
  inline int32_t* to(int filter) {
    if (kWay == Way::plain)
      return static_cast<int32_t*>(p_.counts) + int64_t{16} * unit_ * p_.width + filter;
    return room_[odd_] + (kWay == Way::called ? filter : filter / 16 % How::kLines * kRoom);
  }

  // Those of as many filters as are finished together are there, from this one on.
  void made(int filter) {
    if (kWay == Way::plain || (kWay == Way::called && filter + 16 < p_.width)) return;
    if (kWay == Way::called) call(waiting_.count);
    const int x = pixel_ - p_.left;
    waiting_.left = x < 0 ? -x : p_.wide - x % p_.wide;
    waiting_.filter = filter;
    waiting_.first = pixel_;
    waiting_.count = until_ - pixel_;
    if (waiting_.count)
      waiting_.dots = room_[odd_] + (f_.rows[pixel_] - 16 * unit_) * row();
    odd_ = !odd_;
  }

  // A share of the pixels is due; a few are finished together.
  inline void share() {
    due_ += share_;
    if (due_ < kTogether) return;
    call(due_);
  }

  void call(int some) {
    due_ = 0;
    if (some > waiting_.count) some = waiting_.count;
    if (kWay != Way::called || some == 0) return;
    const int32_t* const rows = f_.rows + waiting_.first;
    const Count* const first = waiting_.dots - int64_t{p_.width} * *rows;
    end_(f_, {first, p_.width, rows}, waiting_.first, waiting_.first + some);
    waiting_.first += some, waiting_.count -= some;
    if (waiting_.count) waiting_.dots += int64_t{p_.width} * (rows[some] - *rows);
  }

 private:
  const Panel& p_;
  const Finish& f_;
  End end_ = nullptr;
  Waiting waiting_;
  int unit_ = 0, pixel_ = 0, until_ = 0, share_ = 0, due_ = 0;
  bool odd_ = false;
  alignas(64) int32_t room_[2][kRoom * kWidest / 16];
};
