# SPDX-License-Identifier: BSD-2-Clause
# Fails when ARCHIVE calls anything that reaches the kernel or a clock. An include can hide behind
# another; a symbol cannot. fprintf is not on the list: with it fmt's assertions, which are compiled in,
# say why they end the process.
execute_process(COMMAND ${NM} --undefined-only --format=posix ${ARCHIVE}
                OUTPUT_VARIABLE symbols RESULT_VARIABLE failed)
if(failed OR NOT symbols MATCHES "__cxa_throw")
  message(FATAL_ERROR "${NM} does not list what ${ARCHIVE} needs: ${symbols}")
endif()
set(impure syscall open openat close read write pread pwrite ioctl socket bind sendto recvfrom mmap
    fork execve getpid getenv secure_getenv clock_gettime gettimeofday time nanosleep usleep printf
    fopen random rand getrandom pthread_create
    _ZNSt6chrono3_V212system_clock3nowEv _ZNSt6chrono3_V212steady_clock3nowEv)
foreach(name ${impure})
  if(symbols MATCHES "(^|\n)${name} ")
    message(FATAL_ERROR "the core is not pure: ${ARCHIVE} needs ${name}")
  endif()
endforeach()
