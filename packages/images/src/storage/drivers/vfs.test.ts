import { storageDriverContract } from '../driver.contract.ts';
import { openVfs } from './vfs.ts';

storageDriverContract('vfs', openVfs);
