/** Native drivers in a thread that has an event loop of its own: each is turned, without waiting, whenever that loop comes round. */
import type { Driver, DriverEvents } from '../../src/io/driver.ts';
import type { NativeDriver, NativeDriverOptions } from '../../src/io/native/base/native-driver.ts';

type Native = new (events: DriverEvents, options: NativeDriverOptions) => NativeDriver;

export function pumped(NativeDriver: Native, options: NativeDriverOptions = {}): (events: DriverEvents) => Driver {
  return events => {
    const driver = new NativeDriver(events, { debug: true, ...options });
    // Does not keep the process running after the test, whatever the driver still has.
    setInterval(() => driver.turn(0), 1).unref();
    const turn = (): void => {
      driver.turn(0);
      if (driver.ledger().sockets > 0) setImmediate(turn);
    };
    const turning = <A extends unknown[], R>(command: (...args: A) => R) =>
      ((...args: A): R => {
        setImmediate(turn);
        return command.apply(driver, args);
      }) as (...args: A) => R;
    driver.listen = turning(driver.listen);
    driver.connect = turning(driver.connect);
    return driver;
  };
}
