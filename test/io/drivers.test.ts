/** Every driver keeps the contract. */
import { drivers } from '../support/drivers.ts';
import { driverContract } from './contract.ts';

for (const { kind, createDriver } of drivers) driverContract(kind, createDriver);
