#!/usr/bin/env bash
# Compile the sketch for the Arduino Uno without the Arduino IDE: build.sh [FOLDER]
# Writes emgtwitch.elf and emgtwitch.hex into FOLDER; without one, the prebuilt emgtwitch-uno.hex
# beside this file is made anew.
# Needs the Debian packages gcc-avr avr-libc arduino-core-avr.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
arduino=/usr/share/arduino/hardware/arduino/avr
folder=${1:-$(mktemp -d)}
mkdir -p "$folder/core"

# DECIMAL_DIG is not defined by this pair of compiler and library, and the core needs it.
flags=(-mmcu=atmega328p -DF_CPU=16000000UL -DARDUINO=10819 -DARDUINO_AVR_UNO -DARDUINO_ARCH_AVR
  -DDECIMAL_DIG=__DECIMAL_DIG__ -I "$arduino/cores/arduino" -I "$arduino/variants/standard"
  -Os -flto -fno-fat-lto-objects -ffunction-sections -fdata-sections)
cpp=(-std=gnu++11 -fno-exceptions -fno-threadsafe-statics)

for source in "$arduino"/cores/arduino/*.{c,cpp,S}; do
  case $source in
    *.c) language=(-std=gnu11) ;;
    *.cpp) language=("${cpp[@]}" -fpermissive) ;;
    *) language=(-x assembler-with-cpp) ;;
  esac
  avr-gcc -w "${flags[@]}" "${language[@]}" -c "$source" -o "$folder/core/${source##*/}.o"
done
rm -f "$folder/core.a"
avr-gcc-ar rcs "$folder/core.a" "$folder"/core/*.o
# One after the other in this order, so that the same bytes come out everywhere.
for source in "$here"/emgtwitch/*.{ino,cpp}; do
  avr-gcc -Wall -Wextra "${flags[@]}" "${cpp[@]}" -include Arduino.h -x c++ -c "$source" \
    -o "$folder/${source##*/}.o"
done
avr-gcc -w -mmcu=atmega328p -Os -flto -fuse-linker-plugin -Wl,--gc-sections \
  "$folder"/*.{ino,cpp}.o "$folder/core.a" -lm -o "$folder/emgtwitch.elf"
avr-objcopy -O ihex -R .eeprom "$folder/emgtwitch.elf" "$folder/emgtwitch.hex"
avr-size "$folder/emgtwitch.elf"
[[ $# -gt 0 ]] || cp "$folder/emgtwitch.hex" "$here/emgtwitch-uno.hex"
