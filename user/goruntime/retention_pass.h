// RetentionPass: one search of a process's memory for large objects of which only small parts are used by the strings
// and slices that refer to them. Made in slices; reads a running process, so its answer is a suspicion at most: what a
// second pass finds unchanged is believed (RetentionReader).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "goruntime/object_windows.h"
#include "goruntime/pointer_maps.h"
#include "goruntime/program.h"
#include "goruntime/reference_search.h"
#include "goruntime/stale_elements.h"
#include "goruntime/used_stack_words.h"

namespace gotrace::goruntime {

struct HeaderReference {  // a string or slice header, and where it is
  process::Address place = 0;
  std::uint64_t pointer = 0;
  Window window{};
  bool in_data = false;                 // a package variable; else a heap object:
  process::Address container = 0;       // that object
  std::uint64_t container_size = 0;     // 0: package variable
  process::Address container_type = 0;  // its type, or that of its elements, where known
};

struct PartlyUsed {  // an object, as one pass found it
  process::Address base = 0;
  std::uint64_t size = 0;
  bool noscan = true;
  UsedPart used{};
  std::vector<HeaderReference> references{};
  std::optional<StaleElements> stale{};  // of an array of pointers; `used` is then of no meaning
};

// A part of a list that hangs on a goroutine's stack (StackLists).
struct ListMember {
  enum class Part : std::uint8_t { first, node, anchor };
  std::uint32_t list = 0;   // which
  std::uint32_t owner = 0;  // of the stack: index in allgs
  std::uint64_t node_size = 0;
  std::uint64_t next_at = 0;    // where in a node the pointer to the next one is
  process::Address anchor = 0;  // what the stack points to
  std::uint64_t anchor_size = 0;
  Part part = Part::node;
};

// An object found in the search before, of which one holder is known: does anything else refer to it?
struct WatchedObject {
  process::Address base = 0;
  process::Address array = 0;  // that holder, of what unused pointers of an array point to
  std::uint64_t array_size = 0;
  std::optional<ListMember> list{};  // that holder is a list
  bool shared = false;               // something else does, or may
  std::uint32_t from_stack = 0;      // references from the list's own stack
};

struct PassFigures {
  std::uint64_t heap_bytes = 0;     // of spans in use
  std::uint64_t to_read_bytes = 0;  // all that may hold pointers
  std::uint64_t read_bytes = 0;
  std::uint64_t candidates = 0;  // objects that were looked at
  std::uint64_t candidate_bytes = 0;
  bool complete = false;  // everything that may hold pointers was read
};

class RetentionPass {
 public:
  static constexpr std::uint64_t kLeastObject = 8192;  // bytes; "large objects first": the bytes decide

  // `program` and `maps` must outlive it. Null: the heap can't be read. `plain_types`: sizes of types whose values
  // strings can't be told from (large_plain_types).
  [[nodiscard]] static std::unique_ptr<RetentionPass> begin(const Program& program, PointerMaps& maps,
                                                            const std::vector<std::uint64_t>& plain_types,
                                                            std::vector<WatchedObject> watched = {});

  // Reads up to `bytes` more; false when all was read.
  bool step(std::uint64_t bytes);
  // Of what has been read so far: objects that are used in part, largest first, at most `most`.
  [[nodiscard]] std::vector<PartlyUsed> partly_used(std::size_t most);
  // Of a large object: nothing that was read refers to it.
  [[nodiscard]] bool saw_no_reference(process::Address base) const;
  [[nodiscard]] const std::vector<WatchedObject>& watched() const { return watched_; }
  [[nodiscard]] PassFigures figures() const;
  [[nodiscard]] const HeapSpans& spans() const { return spans_; }
  // All that may hold pointers: package variables, stacks, spans with pointers.
  [[nodiscard]] const std::vector<SearchRegion>& regions() const { return regions_; }

 private:
  struct TargetUse {
    std::uint32_t first = kNoReference;  // index into references_, a list
    std::uint16_t count = 0;
    bool whole = false;
  };
  struct ListedReference {
    HeaderReference reference;
    std::uint32_t next = kNoReference;
  };
  static constexpr std::uint32_t kNoReference = 0xffffffff;

  RetentionPass(const Program& program, PointerMaps& maps, const std::vector<std::uint64_t>& plain_types,
                HeapSpans spans, std::vector<WatchedObject> watched);
  void add_targets();
  void add_regions();
  void add_stacks();
  void add_watched();
  [[nodiscard]] bool is_left_on_stack(const Reference& reference);
  void visit(const Reference& reference);
  void visit_watched(const Reference& reference, WatchedObject& watched);
  struct Referrer {  // an object, or none
    process::Address object = 0;
    std::uint64_t size = 0;
  };
  [[nodiscard]] static bool is_of_list(const Reference& reference, const Referrer& referrer, WatchedObject& watched);
  [[nodiscard]] bool is_partly_used(const SpanView& span, PartlyUsed& one);
  [[nodiscard]] bool describe(const Reference& reference, const SpanView& target, HeaderReference& out, bool& ignore);
  [[nodiscard]] bool is_string(const SpanView& target, const Window& window) const;
  [[nodiscard]] bool is_allocated(const SpanView& span, std::uint64_t slot);
  void note(std::uint32_t target, const HeaderReference& reference);

  const Program& program_;
  PointerMaps& maps_;
  const std::vector<std::uint64_t>& plain_types_;
  process::RemoteMemory& memory_;
  HeapSpans spans_;
  SearchTargets targets_;
  std::vector<WatchedObject> watched_;
  std::unordered_map<std::uint32_t, std::size_t> watched_targets_;  // target -> index into watched_
  std::uint64_t arrays_read_ = 0;                                   // bytes
  std::vector<TargetUse> uses_;                                     // by target
  std::vector<process::Address> bases_;                             // of spans whose objects are targets, and
  std::vector<std::uint32_t> first_target_;  // the number of its first one; both in the order of addition
  std::vector<ListedReference> references_;
  std::vector<SearchRegion> regions_;
  std::vector<process::Address> goroutines_;  // g structs, by the owners of stacks
  UsedStackWords stack_words_;
  std::unique_ptr<ReferenceSearch> search_;
  PassFigures figures_;
  process::Address bits_span_ = 0;  // whose allocBits are known
  std::vector<std::byte> bits_;
};

}  // namespace gotrace::goruntime
