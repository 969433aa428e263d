// What the sums of a row come to in the pool. Included inside the namespace of an instruction set,
// after finish.h. `Sums` gives the sums of 16 filters, from the one at v on, of a column.

namespace stem {

inline I larger(I a, I b) { return a > b ? a : b; }
inline F larger(F a, F b) { return a > b ? a : b; }

inline F corrected(I sum, I whole, F part) {
  return __builtin_convertvector(sum + whole, F) + part;
}

struct Plain {
  const int32_t* sums;
  inline I operator()(int column, int v) const {
    return load<I>(sums + int64_t{column} * kLine + v);
  }
};

// Windows of kColumns columns, kApart from each other, all of which are corrected alike: which is
// the largest can be told before it is corrected. The first kOnto goals have something of each
// window already, the kFresh after them have not.
template <int kColumns, int kApart, int kOnto, int kFresh, class Sums>
inline void give_even(const StemRow& row, int block, int first, int end, const Sums& sums) {
  const int64_t at = block * row.corrections + row.columns[row.left[first]];
  const int64_t to = (int64_t{block} * row.windows + first) * kLine;
  constexpr int kShared = kColumns > kApart ? kColumns - kApart : 0;  // by a window and the next
  UNROLLED
  for (int v = 0; v < kLine; v += kLanes) {
    const I whole = load<I>(row.whole + at + v);
    const F part = load<F>(row.part + at + v);
    float *onto = row.goals[0].out + to + v, *fresh = row.goals[kOnto + kFresh - 1].out + to + v;
    int column = row.left[first];
    I sum[kColumns];
    UNROLLED
    for (int x = 0; x < kShared; ++x) sum[x] = sums(column + x, v);
    for (int i = first; i < end; ++i, column += kApart, onto += kLine, fresh += kLine) {
      I most = kShared ? sum[0] : sums(column, v);
      UNROLLED
      for (int x = 1; x < kColumns; ++x) {
        sum[x] = x < kShared ? sum[x] : sums(column + x, v);
        most = larger(most, sum[x]);
      }
      UNROLLED
      for (int x = 0; x < kShared; ++x) sum[x] = sum[x + kApart];
      const F value = corrected(most, whole, part);
      if (kOnto) save(onto, larger(value, load<F>(onto)));
      if (kFresh) save(fresh, value);
    }
  }
}

template <int kColumns, int kApart, class Sums>
inline bool give_even(const StemRow& row, int block, int first, int end, const Sums& sums) {
  const bool onto = !row.goals[0].begin, fresh = row.goals[row.rows - 1].begin;
  if (row.widest != kColumns || row.apart != kApart || row.rows != onto + fresh) return false;
  if (!fresh) {
    give_even<kColumns, kApart, 1, 0>(row, block, first, end, sums);
  } else if (!onto) {
    give_even<kColumns, kApart, 0, 1>(row, block, first, end, sums);
  } else {
    give_even<kColumns, kApart, 1, 1>(row, block, first, end, sums);
  }
  return true;
}

// Any window, to any goals.
template <class Sums>
void give_one(const StemRow& row, int block, int window, const Sums& sums) {
  for (int v = 0; v < kLine; v += kLanes) {
    F most = {};
    for (int column = row.left[window]; column < row.right[window]; ++column) {
      const int64_t at = block * row.corrections + row.columns[column] + v;
      const F value = corrected(sums(column, v), load<I>(row.whole + at), load<F>(row.part + at));
      most = column > row.left[window] ? larger(most, value) : value;
    }
    for (int g = 0; g < row.rows; ++g) {
      float* out = row.goals[g].out + (int64_t{block} * row.windows + window) * kLine + v;
      save(out, row.goals[g].begin ? most : larger(most, load<F>(out)));
    }
  }
}

// The windows first .. end of a block. Those of the pools that are common go fast.
template <class Sums>
inline void give(const StemRow& row, int block, int first, int end, const Sums& sums) {
  int even = row.even < first ? first : row.even, after = row.even_end < end ? row.even_end : end;
  if (even >= after || !(give_even<1, 1>(row, block, even, after, sums) ||
                         give_even<2, 2>(row, block, even, after, sums) ||
                         give_even<3, 2>(row, block, even, after, sums)))
    even = after = end;
  for (int i = first; i < even; ++i) give_one(row, block, i, sums);
  for (int i = after; i < end; ++i) give_one(row, block, i, sums);
}

}  // namespace stem
