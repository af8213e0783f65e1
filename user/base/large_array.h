// LargeArray: an array of millions of plain values, all zero at first. It takes memory only where it is touched, so
// that it may be made as large as it could ever have to be.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

namespace gotrace {

template <typename T>
class LargeArray {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

 public:
  LargeArray() = default;
  explicit LargeArray(std::size_t capacity) : capacity_(capacity) {
    if (capacity > kMostBytes / sizeof(T)) throw std::bad_alloc();
    const std::size_t bytes = mapped_bytes();
    void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    data_ = static_cast<T*>(memory);
  }
  LargeArray(LargeArray&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        capacity_(std::exchange(other.capacity_, 0)),
        size_(std::exchange(other.size_, 0)) {}
  LargeArray& operator=(LargeArray&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(capacity_, other.capacity_);
    std::swap(size_, other.size_);
    return *this;
  }
  LargeArray(const LargeArray&) = delete;
  LargeArray& operator=(const LargeArray&) = delete;
  ~LargeArray() {
    if (data_ != nullptr) ::munmap(data_, mapped_bytes());
  }

  [[nodiscard]] std::size_t capacity() const { return capacity_; }
  // REQUIRES index < capacity().
  [[nodiscard]] T& operator[](std::size_t index) { return data_[index]; }
  [[nodiscard]] const T& operator[](std::size_t index) const { return data_[index]; }

  // As of a vector. push_back REQUIRES size() < capacity().
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool full() const { return size_ == capacity_; }
  void push_back(const T& value) { data_[size_++] = value; }
  [[nodiscard]] std::span<const T> all() const { return {data_, size_}; }

 private:
  static constexpr std::size_t kMostBytes = std::size_t{1} << 46;
  [[nodiscard]] std::size_t mapped_bytes() const { return std::max<std::size_t>(capacity_, 1) * sizeof(T); }

  T* data_ = nullptr;
  std::size_t capacity_ = 0;
  std::size_t size_ = 0;
};

}  // namespace gotrace
