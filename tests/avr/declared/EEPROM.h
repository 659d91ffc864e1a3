#pragma once
struct Eeprom {
  template <class T>
  T &get(int place, T &value);
  template <class T>
  const T &put(int place, const T &value);
};
extern Eeprom EEPROM;
