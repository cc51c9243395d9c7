# The kernels of the cpu backend, each instruction set with its flags. Without contraction, because
# a decoded weight has one value however it is decoded; the fused multiply-adds that are wanted are
# written out.
set(HADAL_ISA_FLAGS -ffp-contract=off)
if(HADAL_SANITIZE)
  list(APPEND HADAL_ISA_FLAGS -DHADAL_SANITIZED)
else()
  list(APPEND HADAL_ISA_FLAGS $<$<NOT:$<CONFIG:Debug>>:-O3>)
endif()

function(hadal_isa name)
  set(source ${PROJECT_SOURCE_DIR}/backends/cpu/isa/${name}/kernels.cpp)
  target_sources(hadal_cpu PRIVATE ${source})
  set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${HADAL_ISA_FLAGS};${ARGN}")
endfunction()

hadal_isa(scalar)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64)$" AND CMAKE_SIZEOF_VOID_P EQUAL 8)
  target_compile_definitions(hadal_cpu PUBLIC HADAL_CPU_X86)
  hadal_isa(avx2 -mavx2 -mfma -mf16c)
  hadal_isa(avx_vnni -mavx2 -mfma -mf16c -mavxvnni)
  # g++ 12 takes the undefined registers of its own intrinsics for mistakes of ours.
  hadal_isa(avx512 -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni
            $<$<CXX_COMPILER_ID:GNU>:-Wno-uninitialized>
            $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  hadal_isa(avx512_bf16 -mavx2 -mfma -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vbmi
            -mavx512bf16
            $<$<CXX_COMPILER_ID:GNU>:-Wno-uninitialized>
            $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$" AND CMAKE_SIZEOF_VOID_P EQUAL 8)
  target_compile_definitions(hadal_cpu PUBLIC HADAL_CPU_ARM)
  hadal_isa(neon -march=armv8.2-a+dotprod)
endif()
