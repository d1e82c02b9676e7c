# Language level, warnings, hardening and sanitizers: one place for every target.
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

option(PJ_BUILD_TESTS "Build the tests" ON)
option(PJ_FAULT_POINTS "Compile the fault points that the kill tests use" OFF)
option(PJ_RELATIVE_SOURCE_DIR "Tests find the tree relative to the build folder" OFF)
set(PJ_SANITIZE "" CACHE STRING "Sanitizers: empty, 'address,undefined' or 'thread'")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1")

find_program(PJ_CCACHE ccache)
if(PJ_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${PJ_CCACHE})
endif()

# Every ELF file is built with these, the Python module too; tests/hardening looks.
set(PJ_HARDENING -fstack-protector-strong)
set(PJ_HARDENING_DEFINITIONS _GLIBCXX_ASSERTIONS)
set(PJ_HARDENING_LINK -Wl,-z,relro,-z,now,-z,noexecstack)
set(PJ_FORTIFY)
if(NOT PJ_SANITIZE AND NOT CMAKE_BUILD_TYPE STREQUAL "Debug")  # it needs optimised code
  set(PJ_FORTIFY -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()

add_library(pj_options INTERFACE)
# gcc 12 sees uninitialized and null accesses inside libstdc++ at -O2; the sanitizers watch instead.
target_compile_options(pj_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-align
  -Wno-missing-field-initializers -Wno-maybe-uninitialized -Werror
  ${PJ_HARDENING} -fvisibility-inlines-hidden)
target_compile_definitions(pj_options INTERFACE ${PJ_HARDENING_DEFINITIONS} SPDLOG_FMT_EXTERNAL)
target_include_directories(pj_options INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/src)
target_link_options(pj_options INTERFACE ${PJ_HARDENING_LINK})

if(PJ_SANITIZE)
  # Cheap to compile: no optimisation, line tables only.
  set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g1")
  target_compile_options(pj_options INTERFACE -fsanitize=${PJ_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  target_link_options(pj_options INTERFACE -fsanitize=${PJ_SANITIZE})
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  # -Wrestrict: gcc 12 takes std::string + char* for overlapping copies.
  target_compile_options(pj_options INTERFACE ${PJ_FORTIFY} -Wno-restrict)
else()
  set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g1")
endif()

# Programs are position independent; libraries get -fPIC from CMAKE_POSITION_INDEPENDENT_CODE.
include(CheckPIESupported)
check_pie_supported()
