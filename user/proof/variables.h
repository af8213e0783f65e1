// Variables: which words of the data segments belong to one package variable.
#pragma once

#include <vector>

#include "proof/capture.h"

namespace gotrace::proof {

class Variables {
 public:
  explicit Variables(const Captured& captured);

  // Where the variable begins that the word at `address` belongs to: by the symbol table, or where a pointer among the
  // package variables leads to what has no name there (`var v = &T{...}`). Without a symbol table: the word itself.
  [[nodiscard]] process::Address beginning(process::Address address) const;

 private:
  std::vector<process::MemoryRange> named_;   // by rising address
  std::vector<process::Address> pointed_to_;  // rising
};

}  // namespace gotrace::proof
