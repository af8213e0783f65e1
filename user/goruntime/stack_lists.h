// StackLists: lists of small objects that hang on a word of a goroutine's stack, followed from search to search. A
// list that grows while its first node stays, and that nothing else leads to, is kept by that frame alone: `head` of
// a list that is worked off at `curr`.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_set>
#include <vector>

#include "goruntime/goroutine_reader_list.h"
#include "goruntime/linked_lists.h"
#include "goruntime/retention_pass.h"
#include "goruntime/stack_unwinder.h"

namespace gotrace::goruntime {

struct StackList {
  std::uint32_t owner = 0;  // index in allgs of the goroutine
  std::uint64_t goid = 0;
  process::Address anchor = 0;  // what the stack points to: the first node, or an object that points to it
  std::uint64_t anchor_size = 0;
  LinkedList list{};
  std::uint32_t generation = 0;              // the heap's sweepgen when it was found
  std::vector<process::Address> founders{};  // nodes that it had then
  std::uint32_t searches = 0;                // that found it kept by its stack only
  std::uint32_t doubts = 0;                  // that did not, in a row
  bool survived = false;                     // a GC since then left these
  std::uint64_t first_nodes = 0;             // when its end was seen first; 0: it was not
  process::Address pc = 0;   // of the frame that holds it, at the last look that could tell; 0: none could
  bool pc_is_exact = false;  // no return address
};

class StackLists {
 public:
  // Both must outlive it.
  StackLists(const Program& program, PointerMaps& maps) : program_(program), maps_(maps), unwinder_(program) {}

  // Nodes and anchors that the next search of the memory is to look out for.
  [[nodiscard]] std::vector<WatchedObject> to_watch() const;
  // What it found. Lists that something else leads to, again and again, are forgotten.
  void note(std::span<const WatchedObject> watched);
  // Follows what is known, and, `search_new`, looks for more. `spans` as of that search; `objects` tells what survived.
  // Takes about `budget_ns` of our CPU time, and twice as much where it looks for more.
  void look(const HeapSpans& spans, ObjectLookup& objects, bool search_new, std::uint64_t budget_ns);

  [[nodiscard]] const std::vector<StackList>& all() const { return lists_; }
  // Found alike twice at least, grown, to its end, and left by a GC.
  [[nodiscard]] static bool is_kept(const StackList& list);
  [[nodiscard]] std::uint64_t stacks() const { return stacks_; }
  [[nodiscard]] std::uint64_t stacks_followed() const { return stacks_followed_; }

 private:
  struct Stack {
    std::uint32_t owner = 0;
    GView view{};
    [[nodiscard]] process::Address begin() const { return view.has_still_stack() ? view.sp : view.stack_lo; }
  };
  [[nodiscard]] std::vector<Stack> read_goroutines();
  void follow(ListWalker& walker, ObjectLookup& objects, std::uint64_t until_ns);
  [[nodiscard]] static bool founders_live(const StackList& list, ObjectLookup& objects, bool& survived);
  void search(ListWalker& walker, ObjectLookup& objects, const std::vector<Stack>& stacks, std::uint64_t until_ns);
  void search_stack(ListWalker& walker, const Stack& stack, std::uint32_t generation);
  void find_frames(const std::vector<Stack>& stacks);
  void find_frame(StackList& list, const Stack& stack);

  const Program& program_;
  PointerMaps& maps_;
  StackUnwinder unwinder_;
  std::vector<StackList> lists_;
  std::unordered_set<process::Address> tried_;  // objects, in one search
  std::uint64_t stacks_ = 0;
  std::uint64_t stacks_followed_ = 0;
};

}  // namespace gotrace::goruntime
