/* What is done to the sums d of each pair of an input and a base, one rounded step after another:

   d = inner(d)           for d below 0: times slope (times 0 where slope is NULL)
   y = d * scale + shift
   y = y + r * each       with a residual map for each pair
   y = the sum over pairs
   y = y + r              with one residual map (each is NULL)
   y = outer(y + before) + after    outer as inner, with curve
   out                    floats, and signs: set where y is below a threshold */
typedef struct {
  int filters, pairs;
  size_t pixels;
  int inner, sum, outer, signs; /* inner, outer: whether there is a curve */
  const float *scale, *shift, *slope;  /* [pairs][filters] */
  const float *each;                   /* [pairs] */
  const float *before, *curve, *after; /* [pairs, or 1 if they are summed][filters] */
  const float *thresholds;             /* [the same][signs][filters] */
} bnn_ending;

static float bnn_bend(float y, const float *slope, size_t i) {
  return y < 0.0f ? y * (slope ? slope[i] : 0.0f) : y;
}

/* The filters first .. first + 8 of a pixel: d of one pair, in y. The pairs come in their order. */
static void bnn_end(const bnn_ending *e, const bnn_io *io, int pair, size_t pixel, int first,
                    float *y, float *total) {
  const int n = bnn_least(BNN_SOME, e->filters - first);
  const size_t filters = (size_t)e->filters, bytes = (filters + 7) / 8;
  const size_t of_pair = (size_t)pair * filters + (size_t)first;
  const size_t set = e->sum ? 0 : (size_t)pair, of_set = set * filters + (size_t)first;
  const size_t at = pixel * filters + (size_t)first;
  const float *const each =
      e->each ? io->residual + (size_t)pair * e->pixels * filters + at : NULL;
  const float *const one = !e->each && io->residual ? io->residual + at : NULL;
  int i;
  for (i = 0; i < n; ++i) {
    const size_t p = of_pair + (size_t)i;
    if (e->inner) y[i] = bnn_bend(y[i], e->slope, p);
    y[i] = y[i] * e->scale[p];
    y[i] = y[i] + e->shift[p];
    if (each) {
      const float added = each[i] * e->each[pair];
      y[i] = y[i] + added;
    }
    if (e->sum) total[i] = y[i] = pair ? total[i] + y[i] : y[i];
  }
  if (e->sum && pair + 1 < e->pairs) return;
  for (i = 0; i < n; ++i) {
    const size_t s = of_set + (size_t)i;
    if (one) y[i] = y[i] + one[i];
    if (!e->before) continue;
    y[i] = y[i] + e->before[s];
    if (e->outer) y[i] = bnn_bend(y[i], e->curve, s);
    y[i] = y[i] + e->after[s];
  }
  if (io->floats) memcpy(io->floats + set * e->pixels * filters + at, y, (size_t)n * sizeof *y);
  if (e->signs) {
    const size_t signs = (size_t)e->signs;
    bnn_put_signs(y, n, e->thresholds + set * signs * filters + (size_t)first, e->signs, e->filters,
                  io->bits + (set * signs * e->pixels + pixel) * bytes + (size_t)first / 8,
                  e->pixels * bytes);
  }
}
