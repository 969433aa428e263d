static int bnn_inside(int place, int size) { return place >= 0 && place < size; }
