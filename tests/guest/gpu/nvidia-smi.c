// nvidia-smi: stands for the driver's program of that name.
#include <stdio.h>

int main(void) {
    puts("nvidia-smi of driver " VERSION);
    return 0;
}
