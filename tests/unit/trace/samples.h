// Records to test with: one of every alternative, each field with a value of its own.
#pragma once

#include <vector>

#include "records/record.h"

namespace gotrace::trace::test {

// Ids that are referred to are defined by records before.
std::vector<Record> one_of_each();
// Everything optional absent, everything else empty or 0; also where record.h defaults to something else.
std::vector<Record> one_of_each_empty();

// A text that names every field and its value; two records are equal exactly when their texts are.
std::string text_of(const Record& record);
std::vector<std::string> texts_of(const std::vector<Record>& records);

struct Collector : RecordSink {
  void accept(const Record& record) override { records.push_back(record); }
  std::vector<Record> records;
};

}  // namespace gotrace::trace::test
