/* A part of a side of a map. */
typedef struct {
  int begin, end;
} bnn_stretch;

/* What lies under a sliding window. */
static bnn_stretch bnn_slid(int place, int size, int kernel, int stride, int padding) {
  const int at = place * stride - padding;
  bnn_stretch found;
  found.begin = at > 0 ? at : 0;
  found.end = bnn_least(at + kernel, size);
  return found;
}
