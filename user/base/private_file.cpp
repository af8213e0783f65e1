#include "base/private_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/units.h"

namespace gotrace {
namespace {

std::optional<std::uint32_t> id_from_environment(const char* name) {
  const char* text = std::getenv(name);
  if (text == nullptr) return std::nullopt;
  const std::string_view digits = text;
  std::uint32_t id = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), id);
  if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size()) return std::nullopt;
  return id;
}

// 0 or an errno. File systems that don't know RENAME_NOREPLACE (EINVAL: NFS, FUSE) have link.
int put_in_free_place(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL) return errno;
  if (::link(from.c_str(), to.c_str()) != 0) return errno;
  ::unlink(from.c_str());
  return 0;
}

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

// 0 or an errno. By way of /proc: by the descriptor itself it takes CAP_DAC_READ_SEARCH (linkat(2), AT_EMPTY_PATH).
int give_name(int fd, const std::string& path) {
  const std::string self = fmt::format("/proc/self/fd/{}", fd);
  return ::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) == 0 ? 0 : errno;
}

}  // namespace

UniqueFd create_nameless(const std::string& folder) {
  return UniqueFd(::open(folder.c_str(), O_RDWR | O_TMPFILE | O_CLOEXEC, S_IRUSR | S_IWUSR));
}

std::string system_text(int code) {
  std::string text = std::generic_category().message(code);
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z') text[0] = static_cast<char>(text[0] - 'A' + 'a');
  return text;
}

UniqueFd create_private(const std::string& path) {
  return UniqueFd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR));
}

Error occupied(const std::string& path, mode_t mode, bool replace) {
  if (S_ISLNK(mode)) return failure(fmt::format("{}: is a symbolic link; name the file itself", path));
  if (S_ISDIR(mode)) return failure(fmt::format("{}: is a directory; name a file in it", path));
  if (!S_ISREG(mode)) return failure(fmt::format("{}: is not an ordinary file; name another", path));
  if (!replace) return failure(fmt::format("{} exists; use --force to replace it", path));
  return failure(fmt::format("{}: {}", path, system_text(EEXIST)));
}

void give_to_sudo_user(int fd) {
  const auto uid = id_from_environment("SUDO_UID");
  const auto gid = id_from_environment("SUDO_GID");
  if (::geteuid() != 0 || !uid || !gid) return;
  [[maybe_unused]] const int ignored = ::fchown(fd, *uid, *gid);
}

Result<PendingFile> PendingFile::create(const std::string& path, bool replace, std::string what) {
  struct stat there {};
  if (::lstat(path.c_str(), &there) == 0 && (!replace || !S_ISREG(there.st_mode)))
    return occupied(path, there.st_mode, replace);
  PendingFile file;
  file.path_ = path;
  file.what_ = std::move(what);
  file.replace_ = replace;
  file.fd_ = create_nameless(folder_of(path));
  if (!file.fd_) {
    file.temporary_ = fmt::format("{}.{}.new", path, ::getpid());
    file.fd_ = create_private(file.temporary_);
  }
  if (!file.fd_) {
    const int code = errno;
    const std::string name = std::exchange(file.temporary_, {});  // what is there is not ours to remove
    return failure(fmt::format("{}: can't create {}: {}", name, file.what_, system_text(code)));
  }
  return file;
}

PendingFile::PendingFile(PendingFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      what_(std::move(other.what_)),
      fd_(std::move(other.fd_)),
      replace_(other.replace_),
      written_(other.written_) {}

PendingFile::~PendingFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Error PendingFile::error(int code) const {
  return failure(fmt::format("{}: can't write {}: {} after {}; nothing is kept", path_, what_, system_text(code),
                             format_bytes(static_cast<double>(written_))));
}

Status PendingFile::write(Bytes bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd_.get(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return error(errno);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    written_ += static_cast<std::uint64_t>(count);
  }
  return success();
}

// Some file systems tell of a full disk only when the file is closed: any descriptor of it will do. 0 or an errno.
int PendingFile::flush() const {
  const int again = ::fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0);
  return again >= 0 && (::close(again) == 0 || errno == EINTR) ? 0 : errno;
}

// 0 or an errno. What is there is replaced by a name only: then it has to have one.
int PendingFile::put_in_place() {
  if (temporary_.empty() && !replace_) return give_name(fd_.get(), path_);
  if (temporary_.empty()) {
    std::string name = fmt::format("{}.{}.new", path_, ::getpid());
    if (const int code = give_name(fd_.get(), name); code != 0) return code;
    temporary_ = std::move(name);
  }
  const int code =
      replace_ ? (::rename(temporary_.c_str(), path_.c_str()) == 0 ? 0 : errno) : put_in_free_place(temporary_, path_);
  if (code == 0) temporary_.clear();
  return code;
}

Status PendingFile::finish() {
  int code = flush();
  if (code == 0) code = put_in_place();
  if (code == 0) give_to_sudo_user(fd_.get());  // only now: who owns a file decides who may give it a name
  fd_.reset();
  if (code == EEXIST && !replace_) return failure(fmt::format("{} exists; use --force to replace it", path_));
  return code == 0 ? success() : error(code);
}

}  // namespace gotrace
