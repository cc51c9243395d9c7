# What an installed hadal offers to other projects: find_package(hadal) and pkg-config. Both find
# their files relative to themselves, so that the installed tree can be moved.
include(CMakePackageConfigHelpers)
set(HADAL_PACKAGE_FOLDER ${CMAKE_INSTALL_LIBDIR}/cmake/hadal)

install(EXPORT hadal-targets NAMESPACE hadal:: DESTINATION ${HADAL_PACKAGE_FOLDER})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/hadal-config.cmake.in
  ${PROJECT_BINARY_DIR}/hadal-config.cmake INSTALL_DESTINATION ${HADAL_PACKAGE_FOLDER}
  NO_SET_AND_CHECK_MACRO)
# Before 1.0 a minor version may change the interface, as the soname says.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/hadal-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/hadal-config.cmake
              ${PROJECT_BINARY_DIR}/hadal-config-version.cmake
        DESTINATION ${HADAL_PACKAGE_FOLDER})

file(RELATIVE_PATH HADAL_PC_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(${PROJECT_SOURCE_DIR}/cmake/hadal.pc.in ${PROJECT_BINARY_DIR}/hadal.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/hadal.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
