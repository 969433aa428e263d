static int bnn_least(int a, int b) { return a < b ? a : b; }
