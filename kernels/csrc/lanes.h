// Loads and stores at any address. Included by each instruction set inside its namespace.

template <class V, class T>
inline V load(const T* from) {
  V v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}

template <class V, class T>
inline void save(T* to, V v) {
  __builtin_memcpy(to, &v, sizeof v);
}
