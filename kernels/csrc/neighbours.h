// Pixels of 16 signs, two neighbours to a word ("pairs"). Included by avx512.cpp, inside its namespace.
//
// The 32 bits at a pixel of two bytes are that pixel and its right neighbour, and one tap further they
// are the next tap of both. With each weight in both halves of a lane, xor, a population count of
// halves and an add count one tap of 16 filters for two output pixels: no lane has idle bits (nine taps
// of 16 signs take five words of 32), and the padded image is read where it lies.

constexpr uint32_t kLower = 65535;

// kSide: of the kernel, where it is known when this is compiled, so that weights stay in registers; 0.
template <int kSide, int G>
class Pairs {
 public:
  explicit Pairs(const Panel& p)
      : input_(p.input), units_(p.units), runs_(p.runs), n_runs_(p.n_runs), weights_(p.weights) {
    UNROLLED
    for (int y = 0; y < kSide; ++y) rows_[y] = p.runs[y].offset;
    UNROLLED
    for (int i = 0; i < kSide * kSide * G; ++i) held_[i] = load<Word>(p.weights + 64 * i);
  }

  // Of the first pixel in the lower halves, of the second in the upper ones.
  inline void count(int unit, I (&counts)[G]) const {
    const uint8_t* const field = input_ + units_[unit];
    UNROLLED
    for (int g = 0; g < G; ++g) counts[g] = I{};
    if constexpr (kSide > 0) {
      UNROLLED
      for (int i = 0; i < kSide * kSide; ++i) {
        const Word x = word_at(field + rows_[i / kSide] + 2 * (i % kSide));
        UNROLLED
        for (int g = 0; g < G; ++g) counts[g] += count_halves(x ^ held_[i * G + g]);
      }
    } else {
      const uint8_t* w = weights_;
      for (int r = 0; r < n_runs_; ++r) {
        const uint8_t* const begin = field + runs_[r].offset;
        for (int64_t k = 0; k < runs_[r].bytes; k += 2, w += 64 * G) {
          const Word x = word_at(begin + k);
          UNROLLED
          for (int g = 0; g < G; ++g) counts[g] += count_halves(x ^ load<Word>(w + 64 * g));
        }
      }
    }
  }

 private:
  const uint8_t* const input_;
  const int64_t* const units_;
  const Run* const runs_;
  const int n_runs_;
  const uint8_t* const weights_;
  int64_t rows_[kSide + 1];
  Word held_[kSide * kSide * G + 1];
};

template <int kSide, int G>
void pairs_count(const Panel& panel, int unit, int end, int32_t* to) {
  const Pairs<kSide, G> pairs(panel);
  for (; unit < end; ++unit, to += 2 * G * kLanes) {
    I counts[G];
    pairs.count(unit, counts);
    UNROLLED
    for (int g = 0; g < G; ++g) {
      save(to + g * kLanes, counts[g] & static_cast<int32_t>(kLower));
      save(to + (G + g) * kLanes, counts[g] >> 16);
    }
  }
}

template <int kSide, int G>
void pairs_sign(const Panel& panel, const Finish& f) {
  const Pairs<kSide, G> pairs(panel);
  I first[G], second[G];  // with the lower halves full, only the upper ones decide
  UNROLLED
  for (int g = 0; g < G; ++g) {
    first[g] = load<I>(f.limits + g * kLanes);
    second[g] = reinterpret_cast<I>(reinterpret_cast<Word>(first[g]) << 16 | kLower);
  }
  const int64_t stride = f.bits_stride;
  uint8_t* to = f.bits;
  for (int unit = 0, end = panel.count; unit < end; ++unit, to += 2 * stride) {
    I counts[G];
    pairs.count(unit, counts);
    UNROLLED
    for (int g = 0; g < G; ++g) {
      put_line<kLine>(greater(counts[g] & static_cast<int32_t>(kLower), first[g]), kLine, to + 2 * g);
      put_line<kLine>(greater(counts[g], second[g]), kLine, to + stride + 2 * g);
    }
  }
}

template <int kSide, int G>
void pairs_whole(const Panel& panel, const Finish& f) {
  const int units = panel.count;
  const End end = tile_end(f);
  if (f.pixels != 2 * units) {  // rows of odd width: some units have one pixel
    int32_t* const to = static_cast<int32_t*>(panel.counts);
    pairs_count<kSide, G>(panel, 0, units, to);
    end(f, {to, G * kLanes, f.rows}, 0, f.pixels);
  } else if (f.limits && f.signs == 1 && f.channels == f.width) {
    pairs_sign<kSide, G>(panel, f);
  } else {
    constexpr int kSome = 32 / G;
    alignas(64) int32_t room[kSome * 2 * G * kLanes];
    for (int unit = 0; unit < units; unit += kSome) {
      const int until = unit + kSome < units ? unit + kSome : units;
      pairs_count<kSide, G>(panel, unit, until, room);
      end(f, {room, G * kLanes, kInOrder}, 2 * unit, 2 * until);
    }
  }
}

template <int G>
void pairs_whole(const Panel& panel, const Finish& f) {
  const bool three = panel.n_runs == 3 && panel.runs[0].bytes == 6;
  three ? pairs_whole<3, G>(panel, f) : pairs_whole<0, G>(panel, f);
}
void pairs_whole(const Panel& panel, const Finish& f) {
  panel.width == 64   ? pairs_whole<4>(panel, f)
  : panel.width == 32 ? pairs_whole<2>(panel, f)
                      : pairs_whole<1>(panel, f);
}

template <int G>
void pairs_panel(const Panel& panel) {
  pairs_count<0, G>(panel, 0, panel.count, static_cast<int32_t*>(panel.counts));
}
void pairs_panel(const Panel& panel) {
  panel.width == 64 ? pairs_panel<4>(panel) : panel.width == 32 ? pairs_panel<2>(panel)
                                                                : pairs_panel<1>(panel);
}

// [tap][width], each weight twice.
void pairs_lay_out(const uint8_t* weights, int filters, int64_t bytes, int width, uint8_t* out) {
  for (int64_t k = 0; k < bytes; k += 2)
    for (int f = 0; f < width; ++f, out += 4) {
      uint16_t signs[2] = {};
      if (f < filters) __builtin_memcpy(signs, weights + f * bytes + k, 2);
      signs[1] = signs[0];
      __builtin_memcpy(out, signs, 4);
    }
}

int64_t pairs_laid_out(int64_t bytes, int width) { return 2 * bytes * width; }
