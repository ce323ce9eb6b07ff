/*
 * cow-orders.c: parent, child and grandchild write to the same pages, in every order.
 * Labs: 5
 * Prints: wrong: 0 (6 times)
 * Ends: exit 0
 */
#include "shared/hostile.h"

#define PAGES 4
#define OLD 0x77

static volatile char pages[PAGES][PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
static int next[2][2], done[2]; /* pipes: to the second, to the third, and that all have written */

static int count_wrong(char value)
{
    int wrong = 0;
    for (int i = 0; i < PAGES; i++)
        wrong += pages[i][0] != value || pages[i][PAGE_SIZE - 1] != value;
    return wrong;
}

static void fill(char value)
{
    for (int i = 0; i < PAGES; i++)
        pages[i][0] = pages[i][PAGE_SIZE - 1] = value;
}

/* Write when it is our turn, and look again when all have written. */
static int take_turn(char who, int turn)
{
    if (turn > 0)
        await(next[turn - 1]);
    int wrong = count_wrong(OLD);
    fill(who);
    if (turn < 2)
        release(next[turn]);
    else
        write(done[1], "all", 3);
    await(done);
    return wrong + count_wrong(who);
}

static void close_all(void)
{
    for (int fd = 3; fd < 9; fd++)
        close(fd);
}

static int family(const int turns[3])
{
    int child = fork();
    if (child == 0) {
        int grandchild = fork();
        if (grandchild == 0)
            exit(take_turn(3, turns[2]));
        int wrong = take_turn(2, turns[1]);
        exit(wrong + (status_of(grandchild) != 0) + count_wrong(2));
    }
    int wrong = take_turn(1, turns[0]);
    return wrong + (status_of(child) != 0) + count_wrong(1);
}

MAIN
{
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (int i = 0; i < 6; i++) {
        pipe(next[0]);
        pipe(next[1]);
        pipe(done);
        fill(OLD);
        result("wrong", family(orders[i]));
        close_all();
    }
    return 0;
}
