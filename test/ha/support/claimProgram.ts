// A machine that claims an address which is another's: claimProgram.ts ADDRESS. Says so once on eth0, as a host does that was given the address.
import { ArpSocket } from '../../../packages/ha/src/vip/packetSocket.ts';

const socket = new ArpSocket('eth0');
socket.announce(process.argv[2]);
socket.close();
