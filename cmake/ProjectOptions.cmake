# What every target of ours is compiled with, and the third-party libraries by the names used here.
find_package(PkgConfig REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(fmt REQUIRED)

if(GOTRACE_STATIC)
  set(CMAKE_FIND_LIBRARY_SUFFIXES .a)
endif()
foreach(library libbpf libzstd libxxhash capstone libelf zlib)
  pkg_check_modules(${library} REQUIRED IMPORTED_TARGET ${library})
endforeach()
if(GOTRACE_STATIC)
  # What the shared libbpf brings by itself.
  target_link_libraries(PkgConfig::libbpf INTERFACE PkgConfig::libelf PkgConfig::zlib)
endif()

add_library(project_options INTERFACE)
target_compile_options(project_options INTERFACE -Wall -Wextra -Werror -Wshadow -Wconversion -Wno-sign-conversion)
target_include_directories(project_options INTERFACE ${CMAKE_SOURCE_DIR}/user ${CMAKE_SOURCE_DIR}/include
                           ${CMAKE_SOURCE_DIR}/bpf)
target_link_libraries(project_options INTERFACE fmt::fmt-header-only)
if(GOTRACE_SANITIZE)
  target_compile_options(project_options INTERFACE -fsanitize=${GOTRACE_SANITIZE} -fno-omit-frame-pointer
                         -fno-sanitize-recover=all)
  target_link_options(project_options INTERFACE -fsanitize=${GOTRACE_SANITIZE})
endif()

# gotrace_library(NAME [DEPENDS...]): the static library of one folder, from its .cpp files.
function(gotrace_library name)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  if(sources)
    add_library(gotrace_${name} STATIC ${sources})
    target_link_libraries(gotrace_${name} PUBLIC project_options ${ARGN})
  else()
    add_library(gotrace_${name} INTERFACE)
    target_link_libraries(gotrace_${name} INTERFACE project_options ${ARGN})
  endif()
endfunction()
target_compile_definitions(project_options INTERFACE GOTRACE_VERSION="${PROJECT_VERSION}")
