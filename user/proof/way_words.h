// Ways to objects, and who holds the heap, in words.
#pragma once

#include <map>
#include <string>

#include "goruntime/holder_words.h"
#include "goruntime/symbolizer.h"
#include "proof/retention.h"
#include "proof/way.h"
#include "records/record.h"

namespace gotrace::proof {

class WayWords {
 public:
  // `program` sees the snapshot: types are read from it. Both must outlive this.
  WayWords(const goruntime::Program& program, goruntime::Symbolizer& symbolizer)
      : program_(program), symbolizer_(symbolizer) {}

  // The origin and the objects between it and the one that the way leads to, which is called `end`.
  [[nodiscard]] goruntime::HolderWords way(const Way& way, const std::string& end);
  // "main.session in an object of 576 bytes".
  [[nodiscard]] std::string object(const Step& step, bool pointers = true) const;
  [[nodiscard]] HeapRetention retention(const Retention& from, const std::string& asked);

 private:
  [[nodiscard]] goruntime::HolderWords variable(Address address);
  [[nodiscard]] std::string type_or_size(const Step& step, bool pointers) const;
  [[nodiscard]] HeapRetainer retainer(const Retainer& from);
  [[nodiscard]] HeapType type(const RetainedType& from);

  const goruntime::Program& program_;
  goruntime::Symbolizer& symbolizer_;
  std::map<Address, goruntime::HolderWords> variables_;  // without a name each costs a search of the code
};

}  // namespace gotrace::proof
