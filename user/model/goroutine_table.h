// GoroutineTable: every goroutine that was seen alive, and how the number of each creation site's goroutines moved.
//
// Growth is counted on *settled* goroutines: those that two looks in a row have seen. Requests that come and go between
// looks never settle, so their noise does not hide a slow leak. Time is cut into blocks of looks, the same for all
// sites; when there are too many, neighbours are merged, so memory is bounded however long the session is.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "model/goroutine_store.h"
#include "model/symbols.h"
#include "records/record.h"

namespace gotrace::model {

struct Goroutine {  // unpacked from the table
  GoroutineState state;
  std::uint32_t first_look = 0;     // sequence of the look that first saw it
  std::uint32_t last_ran_look = 0;  // the last look at which it had run, or may have
  std::uint64_t first_seen_ns = 0;
  std::uint64_t still_since_ns = 0;  // not seen to run since this look
  bool settled = false;
};

struct Look {
  std::uint64_t time_ns = 0;
  std::uint64_t goroutines = 0;
  std::uint64_t newest_goid = 0;
};

struct BlockCount {  // what happened to a site's goroutines during one block of looks
  std::uint32_t settled = 0;
  std::uint32_t ended = 0;  // of the settled ones
};

struct Site {  // all goroutines of one go statement
  LocationId created_at = LocationId::none;
  std::vector<LocationId> locations;  // the same line may be compiled more than once (inlining)
  std::uint64_t alive = 0;
  std::uint64_t settled_alive = 0;
  std::uint64_t settled_at_start = 0;             // when the second look was taken
  std::uint64_t births = 0;                       // by probe
  std::map<StackId, std::uint64_t> birth_stacks;  // by probe; at most kMostBirthStacks
  std::uint32_t first_block = 0;
  std::vector<BlockCount> blocks;  // from first_block on
};

struct Block {
  std::uint64_t begin_ns = 0;
  std::uint64_t end_ns = 0;
};

class GoroutineTable {
 public:
  static constexpr std::size_t kMostBlocks = 256;
  static constexpr std::size_t kMostBirthStacks = 64;

  explicit GoroutineTable(const Symbols& symbols) : symbols_(symbols) {}

  void apply(const GoroutineState& record);
  void apply(const GoroutinesSeen& record);
  void apply(const GoroutinesGone& record);
  void apply(const Snapshot& record);
  void apply(const Birth& record);

  // Those that are alive, packed; goroutine() unpacks one of its slots.
  [[nodiscard]] const GoroutineStore& alive() const { return alive_; }
  [[nodiscard]] std::uint64_t first_seen_ns(GoroutineStore::Slot slot) const;
  // When the last look was taken that did not see it yet; 0: it was there at the first.
  [[nodiscard]] std::uint64_t last_unseen_ns(GoroutineStore::Slot slot) const;
  [[nodiscard]] std::uint64_t still_since_ns(GoroutineStore::Slot slot) const;
  [[nodiscard]] Goroutine goroutine(GoroutineStore::Slot slot) const;
  [[nodiscard]] std::optional<Goroutine> find(std::uint64_t goid) const;
  [[nodiscard]] const std::vector<Site>& sites() const { return sites_; }
  [[nodiscard]] std::size_t site_of(LocationId created_at) const;             // index into sites(); npos: none
  [[nodiscard]] const std::vector<Look>& looks() const { return looks_; }     // thinned out when very many
  [[nodiscard]] const std::vector<Block>& blocks() const { return blocks_; }  // settled counts exist from the 2nd look
  [[nodiscard]] std::uint32_t look_count() const { return look_count_; }
  [[nodiscard]] std::uint64_t last_read_ns() const { return last_read_ns_; }
  [[nodiscard]] std::uint64_t max_read_ns() const { return max_read_ns_; }
  [[nodiscard]] std::uint64_t first_look_ns() const { return looks_.empty() ? 0 : looks_.front().time_ns; }
  // Of a site, for every block of blocks(): births into and ends out of the settled ones.
  [[nodiscard]] std::vector<BlockCount> series(const Site& site) const;

  static constexpr std::size_t npos = static_cast<std::size_t>(-1);

 private:
  std::size_t intern_site(LocationId created_at);
  BlockCount& current(Site& site);
  void begin_block(std::uint64_t begin_ns);
  void merge_blocks();
  void thin_looks();
  void settle(std::uint64_t begin_ns);
  void settle(GoroutineStore::Slot slot, bool first_time);

  struct SlotRange {
    GoroutineStore::Slot begin = 0;
    GoroutineStore::Slot end = 0;
  };

  const Symbols& symbols_;
  GoroutineStore alive_;
  std::vector<SlotRange> fresh_;  // seen for the first time by the last complete look; may settle at the next
  std::vector<SlotRange> incoming_;
  std::deque<std::uint64_t> look_times_{0};  // index = sequence of the look; 8 bytes a look
  std::vector<Site> sites_;
  std::unordered_map<std::uint32_t, std::size_t> site_by_location_;
  std::map<std::string, std::size_t> site_by_line_;
  std::vector<Look> looks_;
  std::vector<Block> blocks_;
  std::uint32_t look_count_ = 0;
  std::uint32_t looks_per_block_ = 1;
  std::uint32_t looks_in_block_ = 0;
  std::uint64_t last_read_ns_ = 0;
  std::uint64_t max_read_ns_ = 0;
  std::uint64_t latest_look_ns_ = 0;
};

}  // namespace gotrace::model
