#include "process/memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <limits>

namespace gotrace::process {
namespace {

// Four pages of 'a', 'b', 'c', 'd'; the third one (c) is not mapped.
class Pages {
 public:
  Pages() : size_(static_cast<std::size_t>(::sysconf(_SC_PAGESIZE))) {
    base_ = static_cast<char*>(::mmap(nullptr, 4 * size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (int i = 0; i < 4; ++i) std::memset(base_ + static_cast<std::size_t>(i) * size_, 'a' + i, size_);
    ::munmap(base_ + 2 * size_, size_);
  }
  ~Pages() {
    ::munmap(base_, 2 * size_);
    ::munmap(base_ + 3 * size_, size_);
  }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] Address at(std::size_t page, std::int64_t offset = 0) const {
    return reinterpret_cast<Address>(base_) + page * size_ + static_cast<std::uint64_t>(offset);
  }

 private:
  std::size_t size_;
  char* base_;
};

bool all_are(std::span<const std::byte> bytes, char value) {
  return std::ranges::all_of(bytes, [value](std::byte b) { return static_cast<char>(b) == value; });
}

struct Reads {
  std::vector<std::vector<std::byte>> buffers;
  std::vector<ReadRequest> requests;
  void add(Address address, std::size_t size) {
    buffers.push_back(std::vector<std::byte>(size, std::byte{0}));
    requests.push_back({address, buffers.back(), true});
  }
};

}  // namespace

TEST_CASE("a read fills everything or fails") {
  const Pages pages;
  LiveMemory memory(::getpid());
  std::vector<std::byte> buffer(pages.size());
  REQUIRE(memory.read(pages.at(1), buffer));
  CHECK(all_are(buffer, 'b'));
  CHECK_FALSE(memory.read(pages.at(2), buffer));
  CHECK_FALSE(memory.read(pages.at(1, 8), buffer));  // its end is in the hole
  CHECK_FALSE(memory.read(std::numeric_limits<Address>::max() - 4, std::span(buffer).first(16)));
  CHECK(memory.read(0, {}));
}

TEST_CASE("one failing request does not stop the others") {
  const Pages pages;
  LiveMemory memory(::getpid());
  Reads reads;
  reads.add(pages.at(0), 100);
  reads.add(pages.at(1, -50), 100);
  reads.add(pages.at(1), 2 * pages.size());  // half of it is there: partly transferred, not done
  reads.add(pages.at(2), 8);
  reads.add(0, 8);
  reads.add(pages.at(3), pages.size());
  reads.add(pages.at(2), 0);
  reads.add(pages.at(1, static_cast<std::int64_t>(pages.size()) - 1), 1);
  memory.read_many(reads.requests);
  std::vector<bool> done;
  for (const ReadRequest& request : reads.requests) done.push_back(request.done);
  CHECK(done == std::vector<bool>{true, true, false, false, false, true, true, true});
  CHECK(all_are(reads.buffers[0], 'a'));
  CHECK(all_are(std::span(reads.buffers[1]).first(50), 'a'));
  CHECK(all_are(std::span(reads.buffers[1]).last(50), 'b'));
  CHECK(all_are(reads.buffers[5], 'd'));
  CHECK(all_are(reads.buffers[7], 'b'));
}

TEST_CASE("more requests than fit into one system call") {
  const Pages pages;
  LiveMemory memory(::getpid());
  Reads reads;
  constexpr std::size_t kCount = 5000;
  reads.buffers.reserve(kCount);
  for (std::size_t i = 0; i < kCount; ++i) reads.add(pages.at(i % 4), 16);
  memory.read_many(reads.requests);
  for (std::size_t i = 0; i < kCount; ++i) {
    REQUIRE(reads.requests[i].done == (i % 4 != 2));
    if (i % 4 != 2) REQUIRE(all_are(reads.buffers[i], static_cast<char>('a' + i % 4)));
  }
}

TEST_CASE("a process that is gone yields nothing") {
  LiveMemory memory(std::numeric_limits<pid_t>::max());
  std::array<std::byte, 8> buffer{};
  std::array requests{ReadRequest{0x1000, buffer, true}, ReadRequest{0x2000, buffer, true}};
  memory.read_many(requests);
  CHECK_FALSE(requests[0].done);
  CHECK_FALSE(requests[1].done);
  CHECK_FALSE(memory.read(0x1000, buffer));
}

TEST_CASE("values and blocks") {
  const Pages pages;
  LiveMemory memory(::getpid());
  CHECK(memory.value<std::uint32_t>(pages.at(1)) == 0x62626262);
  CHECK_FALSE(memory.value<std::uint32_t>(pages.at(2)).has_value());
  REQUIRE(memory.block(pages.at(0), 2 * pages.size()).has_value());
  CHECK_FALSE(memory.block(pages.at(1), 2 * pages.size()).has_value());
  CHECK_FALSE(memory.block(pages.at(0), std::numeric_limits<std::uint64_t>::max()).has_value());
}

}  // namespace gotrace::process
