// GoroutineStore: the goroutines that are alive, packed. A program may have millions of them and most of what is known
// of one is the same for all that were started and wait at the same place: that is kept once (Kind). What is left takes
// 40 bytes each, and 5 to 11 more to find it by its id.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <unordered_map>
#include <vector>

#include "records/record.h"

namespace gotrace::model {

class GoroutineStore {
 public:
  using Slot = std::uint32_t;  // names one goroutine as long as it is in the store
  static constexpr Slot kNone = 0xffffffff;

  GoroutineStore() : blank_(intern(GoroutineState{})) {}

  [[nodiscard]] std::size_t size() const { return rows_.size() - free_.size(); }
  [[nodiscard]] Slot find(std::uint64_t goid) const;
  // REQUIRES that it is not there. Its state is GoroutineState{} with that goid.
  Slot insert(std::uint64_t goid);
  void erase(Slot slot);

  [[nodiscard]] bool holds(Slot slot) const { return slot < rows_.size() && rows_[slot].used; }

  void for_each(auto&& visit) const {
    for (Slot slot = 0; slot < end(); ++slot) {
      if (rows_[slot].used) visit(slot);
    }
  }

  // All of it but `ran`, which tells of one look only.
  [[nodiscard]] GoroutineState state(Slot slot) const;
  void set_state(Slot slot, const GoroutineState& state);  // `state.goid` is the one that it was inserted with
  void set_seen(Slot slot, std::uint64_t wait_since_ns, std::uint64_t stack_bytes);

  [[nodiscard]] std::uint64_t goid(Slot slot) const { return rows_[slot].goid; }
  [[nodiscard]] std::uint64_t parent_goid(Slot slot) const;
  [[nodiscard]] std::uint64_t wait_since_ns(Slot slot) const { return rows_[slot].wait_since_ns; }
  [[nodiscard]] std::uint32_t first_look(Slot slot) const { return rows_[slot].first_look; }
  void set_first_look(Slot slot, std::uint32_t look) { rows_[slot].first_look = look & kMostLooks; }
  [[nodiscard]] std::uint32_t last_ran_look(Slot slot) const { return rows_[slot].last_ran_look; }
  void set_last_ran_look(Slot slot, std::uint32_t look) { rows_[slot].last_ran_look = look & kMostLooks; }
  [[nodiscard]] bool settled(Slot slot) const { return rows_[slot].settled; }
  void set_settled(Slot slot) { rows_[slot].settled = true; }

  // What goroutines with the same number have in common: everything but who they and their parents are, since when
  // they wait and at which addresses. Below kinds(); some may be unused.
  [[nodiscard]] std::uint32_t kind(Slot slot) const { return rows_[slot].kind; }
  [[nodiscard]] const GoroutineState& common(Slot slot) const { return kinds_[rows_[slot].kind].state; }
  [[nodiscard]] std::size_t kinds() const { return kinds_.size(); }

  // What all of it takes, allocator's overhead left out; for tests.
  [[nodiscard]] std::size_t bytes() const;

 private:
  [[nodiscard]] Slot end() const { return static_cast<Slot>(rows_.size()); }  // slots are below it
  static constexpr std::uint32_t kMostLooks = 0x7fffffff;
  static constexpr std::uint32_t kFarParent = 0xffffffff;  // it is in far_parents_

  struct Row {
    std::uint64_t goid = 0;
    std::uint64_t wait_since_ns = 0;
    std::uint64_t object = 0;  // the address of the only one; of several, where their addresses begin in addresses_
    std::uint32_t kind = 0;
    std::uint32_t parent_distance = 0;  // goid less the parent's; 0: no parent
    std::uint32_t first_look : 31 = 0;
    std::uint32_t settled : 1 = 0;
    std::uint32_t last_ran_look : 31 = 0;
    std::uint32_t used : 1 = 0;
  };
  static_assert(sizeof(Row) == 40);

  struct Kind {
    GoroutineState state;  // what differs between its goroutines is 0
    std::uint64_t uses = 0;
  };
  struct HashKind {
    std::size_t operator()(const GoroutineState& state) const;
  };

  [[nodiscard]] std::uint32_t intern(const GoroutineState& state);
  void release(std::uint32_t kind);
  void change_kind(Row& row, const GoroutineState& common);
  void keep_parent(Row& row, std::uint64_t parent);
  void keep_addresses(Row& row, const WaitObjectList& objects);
  void free_addresses(const Row& row);

  [[nodiscard]] std::size_t home(std::uint64_t goid) const;
  void link(Slot slot);
  void unlink(std::uint64_t goid);
  void grow_index();

  std::deque<Row> rows_;
  std::vector<Slot> free_;
  std::vector<Slot> index_;  // open addressing by goid; a power of two, at most 3/4 full
  std::vector<Kind> kinds_;
  std::vector<std::uint32_t> free_kinds_;
  std::unordered_map<GoroutineState, std::uint32_t, HashKind> kind_numbers_;
  std::uint32_t blank_;                  // the kind of one whose state is not known yet; never released
  std::uint32_t latest_kind_ = 0;        // neighbours are often alike
  std::deque<std::uint64_t> addresses_;  // runs of several
  std::array<std::vector<std::uint64_t>, WaitObjectList::kMost + 1> free_runs_;  // by length: where they begin
  std::unordered_map<std::uint64_t, std::uint64_t> far_parents_;                 // by goid
};

}  // namespace gotrace::model
