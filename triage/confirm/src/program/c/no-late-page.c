/* No frame lies on a page that is fetched while it is read. */
#define late_page 0
#define late_page_is_possible() 0
#define make_late_stack(attempt) ((void)(attempt))
#define take_page_away(frame) ((void)(frame))
#define bring_page(number) ((void)(number), NONE)
