#include "process/open_files.h"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <unordered_set>

#include "process/proc_text.h"

namespace gotrace::process {
namespace {

using Directory = std::unique_ptr<DIR, int (*)(DIR*)>;

std::string fd_directory(const std::string& root, pid_t pid) { return fmt::format("{}/proc/{}/fd", root, pid); }

// proc_fd_getattr (fs/proc/fd.c, Linux 6.2) makes the number of files the directory's size; before, it is 0.
std::optional<std::uint64_t> size_of_directory(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || status.st_size <= 0) return std::nullopt;
  // Directories of other file systems (a test's) have sizes in blocks.
  return status.st_blksize == 1024 && status.st_blocks == 0 ? std::optional<std::uint64_t>(status.st_size)
                                                            : std::nullopt;
}

// A whole tcp table of a busy host is dear to make: the next one waits for as many times what this one took.
constexpr std::uint64_t kRest = 500;

constexpr std::uint32_t kTurns = 4;

const char* tcp_state(std::string_view number) {
  // include/net/tcp_states.h
  static constexpr std::array<const char*, 12> kNames = {"",           "ESTABLISHED", "SYN_SENT",  "SYN_RECV",
                                                         "FIN_WAIT1",  "FIN_WAIT2",   "TIME_WAIT", "CLOSE",
                                                         "CLOSE_WAIT", "LAST_ACK",    "LISTEN",    "CLOSING"};
  if (number.size() != 2 || number[0] != '0') return "";
  const char digit = number[1];
  const std::size_t index = digit >= '0' && digit <= '9'   ? static_cast<std::size_t>(digit - '0')
                            : digit >= 'A' && digit <= 'F' ? static_cast<std::size_t>(digit - 'A') + 10
                                                           : 0;
  return index < kNames.size() ? kNames[index] : "";
}

// Lines of /proc/net/tcp: "sl local remote st tx:rx tr:when retransmits uid timeout inode ...".
void count_states(const std::string& table, const std::unordered_set<std::uint64_t>& inodes,
                  std::map<std::string, std::uint64_t>& states) {
  constexpr std::size_t kState = 3;
  constexpr std::size_t kInode = 9;
  for (const std::string_view line : lines_of(table)) {
    const auto words = words_of(line);
    if (words.size() <= kInode) continue;
    const auto inode = single_number(words[kInode]);
    const std::string state = tcp_state(words[kState]);
    if (inode && !state.empty() && inodes.contains(*inode)) ++states["tcp " + state];
  }
}

}  // namespace

std::string open_file_kind(const std::string& link) {
  const std::string_view text = link;
  if (text.starts_with("socket:")) return "socket";
  if (text.starts_with("pipe:")) return "pipe";
  if (text.starts_with("/dev/") || text.starts_with("/memfd:")) return text[1] == 'd' ? "device" : "memfd";
  if (text.starts_with('/')) return "file";
  constexpr std::string_view kAnonymous = "anon_inode:";
  if (!text.starts_with(kAnonymous)) return "other";
  std::string name;
  for (const char c : text.substr(kAnonymous.size()))
    if ((c >= 'a' && c <= 'z') || c == '_' || c == '-') name += c;
  return name.empty() || name.size() > 32 ? "other" : name;
}

std::optional<std::uint64_t> count_open_files(const std::string& root, pid_t pid) {
  const std::string path = fd_directory(root, pid);
  if (const auto size = size_of_directory(path)) return size;
  const Directory directory(::opendir(path.c_str()), ::closedir);
  if (!directory) return std::nullopt;
  std::uint64_t count = 0;
  while (const dirent* entry = ::readdir(directory.get())) {
    if (entry->d_name[0] != '.') ++count;
  }
  return count;
}

// False: it can't be read. Lists at most kMostListed.
bool OpenFiles::list(const std::string& path, std::vector<std::uint32_t>& numbers) const {
  const Directory directory(::opendir(path.c_str()), ::closedir);
  if (!directory) return false;
  while (const dirent* entry = ::readdir(directory.get())) {
    if (numbers.size() >= kMostListed) break;
    const auto number = single_number(entry->d_name);
    if (number && *number <= 0xffffffff) numbers.push_back(static_cast<std::uint32_t>(*number));
  }
  return true;
}

// Those of the first look have settled before anything was counted.
void OpenFiles::arrive(Entry& entry, ResourceLook& look) const {
  if (entry.settled) return;
  entry.settled = true;
  if (entry.first_seen > 1) ++look.arrived;
}

void OpenFiles::visit(std::uint32_t number, bool read_link, ResourceLook& look) {
  const auto [found, is_new] = entries_.try_emplace(number);
  Entry& entry = found->second;
  if (is_new) entry.first_seen = looks_;
  entry.seen = looks_;
  if (read_link) {
    std::array<char, 256> buffer;
    const std::string path = fmt::format("{}/{}", fd_directory(root_, pid_), number);
    const ssize_t length = ::readlink(path.c_str(), buffer.data(), buffer.size());
    if (length > 0) {
      const std::string link(buffer.data(), static_cast<std::size_t>(length));
      const std::uint64_t identity = std::hash<std::string>{}(link);
      if (!is_new && entry.identity != 0 && identity != entry.identity) {
        if (entry.settled) ++look.left;
        entry = Entry{};
        entry.first_seen = looks_;
        entry.seen = looks_;
      }
      entry.identity = identity;
      entry.kind = open_file_kind(link);
      const auto bracket = link.find('[');
      if (entry.kind == "socket" && bracket != std::string::npos)
        entry.socket_inode = single_number(link.substr(bracket + 1, link.size() - bracket - 2)).value_or(0);
    }
  }
  if (entry.first_seen != looks_) arrive(entry, look);
}

void OpenFiles::forget_closed(ResourceLook& look) {
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    if (entry->second.seen == looks_) {
      ++entry;
      continue;
    }
    if (entry->second.settled) ++look.left;
    entry = entries_.erase(entry);
  }
}

// "Max open files   1024   524288   files": the soft limit.
std::uint64_t OpenFiles::limit() const {
  const auto text = read_proc_text(fmt::format("{}/proc/{}/limits", root_, pid_));
  const auto numbers = numbers_after(text.value_or(""), "Max open files");
  return numbers.empty() ? 0 : numbers.front();
}

std::optional<ResourceLook> OpenFiles::look_at_sockets(std::uint64_t now_ns) {
  std::unordered_set<std::uint64_t> inodes;
  for (const auto& [number, entry] : entries_)
    if (entry.socket_inode != 0) inodes.insert(entry.socket_inode);
  if (inodes.empty() || now_ns < next_sockets_ns_) return std::nullopt;
  const auto begin = std::chrono::steady_clock::now();
  ResourceLook look;
  look.time_ns = now_ns;
  look.kind = ResourceKind::sockets;
  look.total = inodes.size();
  std::map<std::string, std::uint64_t> states;
  constexpr std::size_t kCut = 1U << 20;  // where read_proc_text stops
  for (const char* name : {"tcp", "tcp6"}) {
    const auto table = read_proc_text(fmt::format("{}/proc/{}/net/{}", root_, pid_, name));
    look.complete = look.complete && table && table->size() < kCut;
    if (table) count_states(*table, inodes, states);
  }
  for (const auto& [state, count] : states) look.counts.push_back({state, LocationId::none, 0, count});
  const auto took = std::chrono::steady_clock::now() - begin;
  next_sockets_ns_ =
      now_ns + kRest * static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(took).count());
  return look;
}

std::vector<ResourceLook> OpenFiles::look(std::uint64_t now_ns) {
  const std::string directory = fd_directory(root_, pid_);
  ResourceLook look;
  look.time_ns = now_ns;
  look.limit = limit();
  const auto size = size_of_directory(directory);
  std::vector<std::uint32_t> numbers;
  if (size && *size > kMostListed) {
    look.total = *size;
    look.complete = false;
    entries_.clear();
    looks_ = 0;
    return {look};
  }
  if (!list(directory, numbers)) return {};
  ++looks_;
  look.total = numbers.size();
  look.complete = numbers.size() <= kMostRead;
  std::size_t links = 0;
  for (const std::uint32_t number : numbers) {
    // A link says what a file is once; whether it is still that file is asked of each in turn.
    const bool in_turn = look.complete && number % kTurns == looks_ % kTurns;
    const bool wanted = in_turn || !entries_.contains(number);
    visit(number, wanted && ++links <= kMostRead, look);
  }
  forget_closed(look);
  std::map<std::string, std::uint64_t> kinds;
  for (const auto& [number, entry] : entries_) ++kinds[entry.kind.empty() ? "not looked at" : entry.kind];
  for (const auto& [kind, count] : kinds) look.counts.push_back({kind, LocationId::none, 0, count});
  std::vector<ResourceLook> looks = {look};
  if (auto sockets = look_at_sockets(now_ns)) looks.push_back(std::move(*sockets));
  return looks;
}

}  // namespace gotrace::process
