// Products with a filter to a lane, 32 signs of it to a word: counted plainly, and by carries.
// Included inside its namespace by an instruction set with a population count of vectors, after it
// has defined
//
//   kLanes, I, Word             lanes of int32 and of uint32
//   I count(Word x)             the population count of each lane
//   Word differ(Word a, Word b, Word mask)            (a ^ b) & mask
//   Word carry(Word before, Word middle, Word now)    middle ? ~now : before
//   I add_pairs(I sum, I x, I w)     sum + the product of both low halves + that of both high ones
//   settle(Word& sums, I& carries)   nothing; keeps a compiler from computing them later
//
// "prefix" counts with fewer operations. Let s_k be the xor of the first k words of input ^ weight.
// A full adder over s_{k-2}, x_{k-1}, x_k gives the sum bit s_k and a carry that counts twice. Xor
// is linear, so with inputs and weights stored as running xors (P and Q), s_k = P_k ^ Q_k is one
// operation, and with m = s_{k-1} the carry is m ? ~s_k : s_{k-2}, one more. Two words cost two
// xors, a carry, a count and an add: 5 operations, where plain counting takes 6.
//   mismatches = popcount(s_last) - popcount(s_0) + 2 * the popcounts of all carries
#include "tiles.h"

// A word of 32 inputs to all filters.
inline Word word_at(const uint8_t* from) {
  uint32_t word;
  __builtin_memcpy(&word, from, 4);
  return Word{} + word;
}

int64_t words_laid_out(int64_t bytes, int width) { return bytes * width; }

// [word][width], so that one vector brings the same 32 inputs of kLanes filters.
void words_lay_out(const uint8_t* weights, int filters, int64_t bytes, int width, uint8_t* out) {
  for (int64_t k = 0; k < bytes; k += 4)
    for (int f = 0; f < width; ++f, out += 4)
      if (f < filters) {
        __builtin_memcpy(out, weights + f * bytes + k, 4);
      } else {
        __builtin_memset(out, 0, 4);
      }
}

void prefix_lay_out(const uint8_t* weights, int filters, int64_t bytes, int width, uint8_t* out) {
  words_lay_out(weights, filters, bytes, width, out);
  for (int64_t k = 4; k < bytes; k += 4)
    for (int f = 0; f < width; ++f) {
      uint32_t before, word;
      __builtin_memcpy(&before, out + ((k - 4) * width + 4 * f), 4);
      __builtin_memcpy(&word, out + (k * width + 4 * f), 4);
      word ^= before;
      __builtin_memcpy(out + (k * width + 4 * f), &word, 4);
    }
}

// Xor, count, add. A run may end within a word: what is beyond is masked.
struct Plain {
  const uint8_t *input, *weights;
  const int64_t* units;
  const Run* runs;
  int n_runs, rest;
  int64_t whole;
  Word mask;

  explicit Plain(const Panel& p)
      : input(p.input), weights(p.weights), units(p.units), runs(p.runs), n_runs(p.n_runs),
        rest(static_cast<int>(p.runs[0].bytes % 4)), whole(p.runs[0].bytes - rest),
        mask(Word{} + ((1u << 8 * rest) - 1)) {}

  static constexpr int kPixels(int vectors) { return vectors == 4 ? 4 : 8; }

  template <int P, int G, class Then>
  inline void run(int unit, const Then& then) const {
    const uint8_t* fields[P];
    UNROLLED
    for (int p = 0; p < P; ++p) fields[p] = input + units[unit + p];
    const uint8_t* w = weights;
    I totals[P][G] = {};
    for (int r = 0; r < n_runs; ++r) {
      const int64_t begin = runs[r].offset, end = begin + whole;
      for (int64_t k = begin; k < end; k += 4, w += 64 * G)
        UNROLLED
        for (int p = 0; p < P; ++p) {
          const Word x = word_at(fields[p] + k);
          UNROLLED
          for (int g = 0; g < G; ++g) totals[p][g] += count(x ^ load<Word>(w + 64 * g));
        }
      if (rest == 0) continue;
      UNROLLED
      for (int p = 0; p < P; ++p) {
        const Word x = word_at(fields[p] + end);
        UNROLLED
        for (int g = 0; g < G; ++g)
          totals[p][g] += count(differ(x, load<Word>(w + 64 * g), mask));
      }
      w += 64 * G;
    }
    then(totals);
  }
};

// A field of so many words in one run: a pixel at a time, and nothing to loop over.
template <int kWords>
struct PlainOf {
  const uint8_t *input, *weights;
  const int64_t* units;
  Word mask;

  explicit PlainOf(const Panel& p)
      : input(p.input), weights(p.weights), units(p.units),
        mask(Word{} + (~0u >> 8 * (4 * kWords - static_cast<int>(p.runs[0].bytes)))) {}

  static constexpr int kPixels(int) { return 1; }

  template <int P, int G, class Then>
  inline void run(int unit, const Then& then) const {
    const uint8_t* field = input + units[unit];
    I totals[1][G];
    UNROLLED
    for (int k = 0; k < kWords; ++k) {
      const Word x = word_at(field + 4 * k);
      UNROLLED
      for (int g = 0; g < G; ++g) {
        const Word w = load<Word>(weights + 64 * (k * G + g));
        const I one = count(k + 1 < kWords ? x ^ w : differ(x, w, mask));
        totals[0][g] = k == 0 ? one : totals[0][g] + one;
      }
    }
    then(totals);
  }
};

// Fields of neighbouring pixels overlap, so their running xors cannot all begin at zero: those of a
// band begin at its first word, and a field begins with s_0 = P_0, the last word before it. Then
//   mismatches = popcount(s_last) - popcount(s_0) + 2 * the popcounts of all carries
// and the last two are added by one instruction: a carry's low half times 2, and its high half,
// which is 1 from the beginning, times -popcount(s_0).
//
// kWords is how many words a field has, where that is known when this is compiled, or 0.
template <int kWords>
struct Prefix {
  // Carries are half as many as products and the bits of s_0, and have to fit a low half.
  static constexpr int64_t kMost = 2 * 32767 - 32;

  const uint8_t *input, *weights;
  const int64_t* units;
  int64_t bytes;

  explicit Prefix(const Panel& p)
      : input(p.input), weights(p.weights), units(p.units),
        bytes(kWords ? 4 * kWords : p.runs[0].bytes) {}

  static constexpr int kPixels(int vectors) {
    return kWords ? 1 : vectors == 4 ? 3 : vectors == 2 ? 6 : 8;
  }

  template <int P, int G>
  static inline void pair(const uint8_t* const (&fields)[P], int64_t k, const uint8_t* w,
                          I (&carries)[P][G], Word (&sums)[P][G]) {
    UNROLLED
    for (int p = 0; p < P; ++p) {
      const Word x = word_at(fields[p] + k), y = word_at(fields[p] + k + 4);
      UNROLLED
      for (int g = 0; g < G; ++g) {
        const Word middle = x ^ load<Word>(w + 64 * g);
        const Word now = y ^ load<Word>(w + 64 * (G + g));
        carries[p][g] += count(carry(sums[p][g], middle, now));
        sums[p][g] = now;
        settle(sums[p][g], carries[p][g]);
      }
    }
  }

  template <int P, int G, class Then>
  inline void run(int unit, const Then& then) const {
    const uint8_t* fields[P];
    int32_t ends[P];
    I carries[P][G];
    Word sums[P][G];
    UNROLLED
    for (int p = 0; p < P; ++p) {
      fields[p] = input + units[unit + p];
      uint32_t before;
      __builtin_memcpy(&before, fields[p] - 4, 4);
      ends[p] = 2 - (__builtin_popcount(before) << 16);
    }
    // From memory a word reaches all lanes for free, from a register it takes the port of counts.
    asm volatile("" : "+m"(ends) : : "memory");
    UNROLLED
    for (int p = 0; p < P; ++p)
      UNROLLED
      for (int g = 0; g < G; ++g) {
        carries[p][g] = I{} + (1 << 16);
        sums[p][g] = word_at(fields[p] - 4);
      }
    const uint8_t* w = weights;
    int64_t k = 0;
    if (kWords) {
      UNROLLED
      for (int i = 0; i < kWords / 2; ++i) pair(fields, 8 * i, w + 128 * G * i, carries, sums);
      k = kWords / 2 * 8, w += 128 * G * (kWords / 2);
    } else {
      for (; k + 8 <= bytes; k += 8, w += 128 * G) pair(fields, k, w, carries, sums);
    }
    if (k < bytes) {  // a last word without a second
      UNROLLED
      for (int p = 0; p < P; ++p) {
        const Word x = word_at(fields[p] + k);
        UNROLLED
        for (int g = 0; g < G; ++g) {
          const Word now = x ^ load<Word>(w + 64 * g);
          carries[p][g] += count(carry(sums[p][g], now, now));
          sums[p][g] = now;
        }
      }
    }
    UNROLLED
    for (int p = 0; p < P; ++p)
      UNROLLED
      for (int g = 0; g < G; ++g)
        carries[p][g] = add_pairs(count(sums[p][g]), carries[p][g], I{} + ends[p]);
    then(carries);
  }
};

void words_whole(const Panel& panel, const Finish& f) {
  switch (panel.n_runs == 1 ? (panel.runs[0].bytes + 3) / 4 : 0) {
    case 2: return whole_of<PlainOf<2>>(panel, f);
    case 4: return whole_of<PlainOf<4>>(panel, f);
    case 5: return whole_of<PlainOf<5>>(panel, f);
    case 9: return whole_of<PlainOf<9>>(panel, f);
    case 18: return whole_of<PlainOf<18>>(panel, f);
    default: return whole_of<Plain>(panel, f);
  }
}
void prefix_whole(const Panel& panel, const Finish& f) {
  switch ((panel.runs[0].bytes + 3) / 4) {
    case 6: return whole_of<Prefix<6>>(panel, f);
    case 9: return whole_of<Prefix<9>>(panel, f);
    case 18: return whole_of<Prefix<18>>(panel, f);
    case 36: return whole_of<Prefix<36>>(panel, f);
    default: return whole_of<Prefix<0>>(panel, f);
  }
}
