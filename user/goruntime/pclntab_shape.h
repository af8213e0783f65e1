// Where the fields of _func and inlinedCall lie in each format of the function table.
#pragma once

#include <cstdint>

#include "goruntime/pclntab.h"

namespace gotrace::goruntime {

// runtime/runtime2.go (_func) and runtime/symtabinl.go (inlinedCall) of Go 1.15, 1.16, 1.18 and 1.20.
struct PclnTable::Shape {
  bool wide_entries;           // entries are 8-byte pointers; else 4-byte offsets from moduledata.text
  std::uint8_t name;           // offsets in _func
  std::uint8_t arguments;      // args
  std::uint8_t stack_delta;    // pcsp
  std::uint8_t file;           // pcfile
  std::uint8_t line;           // pcln
  std::uint8_t pc_data_count;  // npcdata
  std::uint8_t unit;           // cuOffset; 0: the file number indexes the file table itself
  std::uint8_t function_id;
  std::uint8_t function_data_count;  // nfuncdata
  std::uint8_t size;                 // of _func; the pcdata array follows
  bool function_data_pointers;       // funcdata are 8-aligned pointers; else offsets from moduledata.gofunc
  std::uint8_t inline_tree;          // FUNCDATA_InlTree
  std::uint8_t inlined_size;         // of inlinedCall, and offsets in it
  std::uint8_t inlined_function_id;
  std::uint8_t inlined_name;
  std::uint8_t inlined_parent_pc;
};

}  // namespace gotrace::goruntime
